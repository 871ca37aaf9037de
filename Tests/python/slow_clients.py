"""Clients that say nothing, or not all, at one address, and when each was let go.

    slow_clients.py ADDRESS PORT LIMIT KIND...

Prints a JSON object with the seconds until the server closed the connection of each kind of client, by its kind; null for one that
was still connected LIMIT seconds after its last word.

    silent              says nothing at all
    half-hello          the beginning of a TLS handshake
    half-header         the beginning of a request's header, in plain HTTP
    tls-silent          nothing behind the handshake, for HTTP/1.1
    tls-half-header     the beginning of a header behind it
    tls-idle            a request, which is answered, and nothing behind it
    tls-second-half     a request, which is answered, and the beginning of another
    h2-idle             HTTP/2's preface and settings
    h2-half-header      the beginning of a header's frame behind them
"""
import json
import socket
import ssl
import sys
import threading
import time

address, port, limit, *kinds = sys.argv[1:]
REQUEST = b"GET / HTTP/1.1\r\nHost: slow.example.org\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
WORDS = {
    "silent": (None, []),
    "half-hello": (None, [b"\x16\x03\x01\x02\x00\x01"]),
    "half-header": (None, [b"GET / HTTP/1.1\r\nHost: slow.exa"]),
    "tls-silent": ("http/1.1", []),
    "tls-half-header": ("http/1.1", [b"GET / HTTP/1.1\r\nHost: slow.exa"]),
    "tls-idle": ("http/1.1", [REQUEST]),
    "tls-second-half": ("http/1.1", [REQUEST, b"GET / HTTP/1.1\r\nHost: slow.exa"]),
    "h2-idle": ("h2", [PREFACE]),
    "h2-half-header": ("h2", [PREFACE + b"\0\0\x10\1\0\0\0\0\1abc"]),
}
results = {}


def run(kind):
    protocol, words = WORDS[kind]
    connection = socket.create_connection((address, int(port)))
    if protocol:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols([protocol])
        connection = context.wrap_socket(connection, server_hostname="slow.example.org")
    start = time.monotonic()
    for index, word in enumerate(words):
        if index > 0:
            connection.recv(65536)  # the answer to the one before
        start = time.monotonic()
        connection.sendall(word)
    connection.settimeout(float(limit))
    try:
        while connection.recv(65536):
            pass
        results[kind] = time.monotonic() - start
    except TimeoutError:
        results[kind] = None
    except OSError:  # a reset
        results[kind] = time.monotonic() - start


threads = [threading.Thread(target=run, args=(kind,)) for kind in kinds]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(results))
