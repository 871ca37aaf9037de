#!/usr/bin/env python3
"""A web server that answers some requests on each connection; the next one it reads whole, and then closes the connection.

dying_backend.py ADDRESS ANSWERS [CERTIFICATE KEY]

It takes a free port and says so in a line: listening on ADDRESS PORT. For each request that it read it prints a line: read.
It speaks HTTP/1.1; with a certificate HTTP/2 over TLS (RFC 9113), of which it looks at the frames and not at what is in them.
"""

import socket
import ssl
import struct
import sys
import threading

DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def read_http1(stream):
    """Reads a request, and returns what answers it."""
    length = 0
    line = stream.readline()
    if not line:
        raise EOFError
    while line.strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        line = stream.readline()
    stream.read(length)
    return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def frame(kind, flags, number, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", number) + payload


def read_http2(stream):
    """The same of HTTP/2; answers pings and settings meanwhile."""
    while True:
        head = stream.read(9)
        if len(head) < 9:
            raise EOFError
        size, kind, flags, number = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
        payload = stream.read(size)
        if kind in (SETTINGS, PING) and not flags & ACK:
            stream.write(frame(kind, ACK, 0, payload if kind == PING else b""))
            stream.flush()
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            return frame(HEADERS, END_HEADERS | END_STREAM, number, b"\x88")  # :status 200, of HPACK's static table


def serve(connection, answers, context):
    try:
        if context:
            connection = context.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rwb") as stream:
            read = read_http1
            if context:
                stream.read(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
                stream.write(frame(SETTINGS, 0, 0))
                stream.flush()
                read = read_http2
            for number in range(answers + 1):
                answer = read(stream)
                print("read", flush=True)
                if number == answers:
                    # At once: it must not look like an orderly end.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                stream.write(answer)
                stream.flush()
    except (EOFError, OSError):
        pass


def main():
    address, answers, *pair = sys.argv[1:]
    context = None
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        context.set_alpn_protocols(["h2"])
    server = socket.create_server((address, 0))
    print("listening on", address, server.getsockname()[1], flush=True)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection, int(answers), context), daemon=True).start()


if __name__ == "__main__":
    main()
