#!/usr/bin/env python3
"""An ACME server (RFC 8555) before another one: it passes on what it is asked, but answers each new order with its rate limit,
status 429, until it gets SIGUSR1.

acme_limit.py CERTIFICATE KEY PORT        PORT is that of the other one, on the loopback

It takes a free port and says so in a line: port N. Each order that it refuses is a line too: refused.
"""

import http.client
import http.server
import json
import signal
import ssl
import sys
import threading

certificate, key, upstream = sys.argv[1:]
issues = threading.Event()
signal.signal(signal.SIGUSR1, lambda number, frame: issues.set())


def ask(method, path, headers, body=None):
    # The other one takes its name from the Host header, and so names this one in its answers.
    connection = http.client.HTTPSConnection("127.0.0.1", int(upstream), context=ssl._create_unverified_context())
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.getheaders(), response.read()


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == orders and not issues.is_set():
            print("refused", flush=True)
            status = 429
            headers = [("Content-Type", "application/problem+json"), ("Retry-After", "3600")]
            answer = json.dumps({
                "type": "urn:ietf:params:acme:error:rateLimited", "status": 429,
                "detail": "too many certificates (5) already issued, retry after 2036-01-01 00:00:00 UTC",
            }).encode()
        else:
            headers = {name: value for name, value in self.headers.items() if name != "Connection"}
            status, headers, answer = ask(self.command, self.path, headers, body)
        self.send_response_only(status)
        for name, value in headers:
            if name not in ("Content-Length", "Transfer-Encoding", "Connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
own = f"localhost:{server.server_port}"
directory = json.loads(ask("GET", "/dir", {"Host": own})[2])
orders = directory["newOrder"].removeprefix(f"https://{own}")
print("port", server.server_port, flush=True)
server.serve_forever()
