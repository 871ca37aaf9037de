"""A client of a tunnel that says what the wire says, and may say what it should not.

    tunnel_client.py ADDRESS CASE --secret=TEXT [--tls NAME] [--magic N]

It prints one line for each thing that the relay does: `answer CODE TEXT`, `finished STREAM`, `opened STREAM`, `reset STREAM`,
`goaway CODE`, `closed`. To a stream that the relay opens it answers with an HTTP response of its own. The cases:

    serve       the handshake, and then to serve
    bytewise    the same with each byte of the handshake in a packet of its own
    silent      nothing at all
    unfinished  half of the handshake
    oversized   a secret that is longer than it may be
    noise       what is no yamux
    flood       megabytes of that
    lies        after the handshake, a frame that is longer than its stream's window
    opens       after the handshake, a further stream
    pings       after the handshake, pings whose answers are never read
    deaf        the handshake, no answer to any stream, and 260 connections to --visit; `refused N` for each that is reset
    gone        many connections that are reset while what they sent is being read
    crowd       80 connections that say nothing, again and again; `refused N` once the relay has reset N of them, from 16 on
"""
import argparse, select, socket, ssl, struct, sys, threading

DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8

parser = argparse.ArgumentParser()
parser.add_argument("address")
parser.add_argument("case")
parser.add_argument("--secret", required=True)
parser.add_argument("--tls")
parser.add_argument("--source", default="")
parser.add_argument("--visit")
parser.add_argument("--magic", type=lambda text: int(text, 0), default=0x1112)
options = parser.parse_args()

host, port = options.address.rsplit(":", 1)


def connect():
    return socket.create_connection((host, int(port)), source_address=(options.source, 0))


connection = connect()
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
if options.tls:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = context.wrap_socket(connection, server_hostname=options.tls)


def say(*words):
    print(*words, flush=True)


def frame(kind, flags, stream, length, data=b""):
    return struct.pack(">BBHII", 0, kind, flags, stream, length) + data


def receive(count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def visit():
    visitors = [socket.create_connection(options.visit.split(":")) for _ in range(260)]
    refused = 0
    while True:
        for one in select.select(visitors, [], [])[0]:
            visitors.remove(one)
            try:
                one.recv(1)
            except ConnectionResetError:
                refused += 1
                say("refused", refused)


secret = options.secret.encode()
if options.case == "oversized":
    secret = b"x" * 513
handshake = struct.pack(">HH", options.magic, len(secret)) + secret
opening = frame(WINDOW, SYN, 1, 0) + frame(DATA, 0, 1, len(handshake), handshake) + frame(DATA, FIN, 1, 0)

if options.case == "gone":
    opened = frame(WINDOW, SYN, 1, 0) + frame(WINDOW, RST, 1, 0) + frame(WINDOW, SYN, 3, 0)
    filler = frame(DATA, 0, 1, 1 << 16, bytes(1 << 16))
    for _ in range(50):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            connection.sendall(opened + 3 * filler)
        except OSError:
            pass
        connection.close()
        connection = connect()
    connection.close()
elif options.case == "crowd":
    waiting = [connection]
    refused = 0
    while True:
        waiting += [connect() for _ in range(80 - len(waiting))]
        for one in select.select(waiting, [], [])[0]:
            waiting.remove(one)
            try:
                one.recv(1)
            except ConnectionResetError:
                refused += 1
                if refused >= 16:
                    say("refused", refused)
            one.close()

try:
    if options.case == "bytewise":
        for byte in opening:
            connection.sendall(bytes([byte]))
    elif options.case == "unfinished":
        connection.sendall(opening[: len(opening) // 2])
    elif options.case == "noise":
        connection.sendall(b"GET / HTTP/1.1\r\nHost: tunnel\r\n\r\n")
    elif options.case == "flood":
        connection.sendall(b"x" * (8 << 20))
    elif options.case != "silent":
        connection.sendall(opening)
    if options.case == "lies":
        connection.sendall(frame(WINDOW, SYN, 3, 0) + frame(DATA, 0, 3, 1 << 31))
    elif options.case == "opens":
        connection.sendall(frame(WINDOW, SYN, 3, 0))
    elif options.case == "pings":
        try:
            for _ in range(1 << 20):
                connection.sendall(frame(PING, SYN, 0, 7))
        except OSError:
            pass
    answer = b""
    # A request's first bytes, by stream.
    asked = set()
    while True:
        version, kind, flags, stream, length = struct.unpack(">BBHII", receive(12))
        data = receive(length) if kind == DATA else b""
        if kind == PING and flags & SYN:
            connection.sendall(frame(PING, ACK, 0, length))
        if kind == GO_AWAY:
            say("goaway", length)
        if flags & RST:
            say("reset", stream)
        if stream > 1 and options.case == "deaf":
            continue
        if stream == 1:
            answer += data
            if flags & FIN:
                if options.visit:
                    threading.Thread(target=visit, daemon=True).start()
                if answer:
                    say("answer", answer[0], answer[2 : 2 + answer[1]].decode())
                say("finished", stream)
        elif stream and flags & SYN:
            connection.sendall(frame(WINDOW, ACK, stream, 0))
            say("opened", stream)
        if stream > 1 and data and stream not in asked:
            asked.add(stream)
            body = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nserved"
            connection.sendall(frame(DATA, FIN, stream, len(body), body))
except (EOFError, OSError):
    pass
say("closed")
