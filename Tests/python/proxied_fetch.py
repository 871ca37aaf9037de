"""Fetches a page as a load balancer does for a client, whose address it tells first (PROXY protocol, version 1), and who claims to be
another one (Forwarded: for=192.0.2.1).

    proxied_fetch.py SOURCE ADDRESS:PORT CLIENT tls|plain HOST PATH

Comes from the address SOURCE of this machine. Prints the body of the answer.
"""
import socket
import ssl
import sys

source, server, client, security, host, path = sys.argv[1:]
address, port = server.rsplit(":", 1)
connection = socket.create_connection((address, int(port)), timeout=30, source_address=(source, 0))
connection.sendall(f"PROXY TCP4 {client} {address} 40000 {port}\r\n".encode())
if security == "tls":
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = context.wrap_socket(connection, server_hostname=host)
request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nForwarded: for=192.0.2.1\r\nConnection: close\r\n\r\n"
connection.sendall(request.encode())
answer = b""
while piece := connection.recv(65536):
    answer += piece
print(answer.partition(b"\r\n\r\n")[2].decode())
