#!/usr/bin/env python3
"""A web server that answers with who it is and what it was asked, as JSON; /bytes/N with N bytes,
/bytes/N/STATUS with another status than 200; /stall/N/M with the first N bytes of M, until the client is gone;
/swallow with nothing, until the client is gone; /upgrade/N/M, where it takes N bytes and then sends M, as a WebSocket would;
/headers with the request's headers, a JSON object of lists; /count with how many bytes the request's body had.

http_backend.py [--port PORT] [--challenges DIR] NAME ADDRESS [CERTIFICATE KEY]

Paths below /.well-known/acme-challenge/ are answered with the files of DIR. It takes a free port, or the one that is given, and says so in a line: listening on ADDRESS PORT. With a certificate it speaks TLS only.
"""

import http.server
import json
import pathlib
import socket
import ssl
import sys


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = ""
    challenges = ""

    def transfer(self):
        """Answers what is none of the usual: true when it was that."""
        kind, *numbers = self.path.split("/")[1:]
        if kind not in ("stall", "swallow", "upgrade"):
            return False
        self.close_connection = True
        if kind == "swallow":
            while self.rfile.read1(1 << 16):
                pass
            return True
        first, second = map(int, numbers)
        if kind == "stall":
            self.send_response(200)
            self.send_header("Content-Length", str(second))
            self.end_headers()
            self.wfile.write(b"x" * first)
            self.rfile.read(1)
        else:
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", "websocket")
            self.end_headers()
            self.rfile.read(first)
            self.wfile.write(b"x" * second)
            self.rfile.read(1)
        return True

    def read_body(self):
        """Returns how many bytes it had."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        count = 0
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            count += len(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return count

    def answer(self):
        if self.transfer():
            return
        count = self.read_body()
        status = ""
        if self.path.startswith("/bytes/"):
            size, _, status = self.path.removeprefix("/bytes/").partition("/")
            body = b"x" * int(size)
        elif self.challenges and self.path.startswith("/.well-known/acme-challenge/"):
            body = pathlib.Path(self.challenges + self.path).read_bytes()
        elif self.path == "/count":
            body = str(count).encode()
        elif self.path == "/headers":
            body = json.dumps({name.lower(): self.headers.get_all(name) for name in self.headers}).encode()
        else:
            seen = {"name": self.name, "host": self.headers.get("Host", ""), "path": self.path, "method": self.command}
            body = json.dumps(seen).encode() + b"\n"
        self.send_response(int(status or 200))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def finish_request(self, request, client_address):
        if self.context:  # here, in the connection's own thread: a slow handshake holds up nobody else
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        print("failed:", sys.exc_info()[1], file=sys.stderr, flush=True)


def main():
    port, arguments = 0, sys.argv[1:]
    if arguments[0] == "--port":
        port, arguments = int(arguments[1]), arguments[2:]
    if arguments[0] == "--challenges":
        Backend.challenges, arguments = arguments[1], arguments[2:]
    Backend.name, address, *pair = arguments
    Server.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
    Server.context = None
    if pair:
        Server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        Server.context.load_cert_chain(*pair)
    server = Server((address, port), Backend)
    print("listening on", address, server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
