"""A client that asks for much and reads nothing.

    stalled_reader.py ADDRESS PATH

It prints `asked`, and then waits for a line of its input; whatever it is sent until then, it takes none of. After the line it reads
all there is and prints `read N`, the number of bytes.
"""
import socket
import sys

host, port = sys.argv[1].rsplit(":", 1)
connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
connection.connect((host, int(port)))
connection.sendall(f"GET {sys.argv[2]} HTTP/1.1\r\nHost: stalled\r\nConnection: close\r\n\r\n".encode())
print("asked", flush=True)
sys.stdin.readline()
count = 0
while piece := connection.recv(1 << 20):
    count += len(piece)
print("read", count, flush=True)
