"""Fetches a page over TLS as a load balancer does for a client, whose address it tells first (PROXY protocol, version 1).

    proxied_fetch.py ADDRESS PORT CLIENT HOST PATH

Prints the body of the answer.
"""
import socket
import ssl
import sys

address, port, client, host, path = sys.argv[1:]
connection = socket.create_connection((address, int(port)), timeout=30)
connection.sendall(f"PROXY TCP4 {client} {address} 40000 {port}\r\n".encode())
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
connection = context.wrap_socket(connection, server_hostname=host)
connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
answer = b""
while piece := connection.recv(65536):
    answer += piece
print(answer.partition(b"\r\n\r\n")[2].decode())
