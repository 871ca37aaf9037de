"""A backend to which TLS is passed through and its clients, which count what the backend got and sent.

No TLS comes about: a client sends a real ClientHello, by which Traefik finds the route, and what follows is any bytes.

    tls_peers.py ADDRESS      where the backend listens, on a free port that it prints: "port N"

Commands on standard input, each answered with a line "COMMAND SENT RECEIVED": what all connections so far carried towards the
backend, and what came from it.

    short HOST TRAEFIK N      N connections one after the other, with a request and an answer of random sizes
    open HOST TRAEFIK NAME    a connection that stays open
    send NAME N               N bytes and an answer of as many, over that
    close NAME                the end of that
"""
import random, socket, ssl, struct, sys, threading

# The size of an answer that is the end of the connection.
END = 0xFFFFFFFF

server = socket.create_server((sys.argv[1], 0), backlog=128)
# By the backend.
received = sent = 0
lock = threading.Lock()


def count(got, gave):
    global received, sent
    with lock:
        received += got
        sent += gave


def serve(connection):
    """Answers each order, eight bytes with the sizes of what follows and of the answer, behind the ClientHello."""
    stream = connection.makefile("rb")
    header = stream.read(5)
    if header:
        count(5 + len(stream.read(struct.unpack("!3xH", header)[0])), 0)
    while order := stream.read(8):
        size, answer = struct.unpack("!II", order)
        if answer == END:
            count(8, 0)
            break
        stream.read(size)
        # Counted first: the client may ask for the sums as soon as it has the answer.
        count(8 + size, answer)
        connection.sendall(b"y" * answer)
    stream.close()
    connection.close()


def accept():
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


def hello(host):
    outgoing, context = ssl.MemoryBIO(), ssl.create_default_context()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


def connect(host, address):
    ip, port = address.rsplit(":", 1)
    connection = socket.create_connection((ip.strip("[]"), int(port)), timeout=60)
    connection.sendall(hello(host))
    return connection


def exchange(connection, size, answer):
    connection.sendall(struct.pack("!II", size, answer) + b"x" * size)
    while answer:
        part = connection.recv(min(answer, 1 << 20))
        if not part:
            raise EOFError("closed early")
        answer -= len(part)


def finish(connection):
    """Has the backend end the connection: of one that the client ends, Traefik waits only 100 ms for the backend's end."""
    connection.sendall(struct.pack("!II", 0, END))
    while connection.recv(1 << 20):
        pass
    connection.close()


threading.Thread(target=accept, daemon=True).start()
print("port", server.getsockname()[1], flush=True)
connections = {}
for line in sys.stdin:
    command, *words = line.split()
    try:
        if command == "short":
            for _ in range(int(words[2])):
                connection = connect(words[0], words[1])
                exchange(connection, random.randrange(3000), random.randrange(3000))
                finish(connection)
        elif command == "open":
            connections[words[2]] = connect(words[0], words[1])
        elif command == "send":
            exchange(connections[words[0]], int(words[1]), int(words[1]))
        elif command == "close":
            finish(connections.pop(words[0]))
        print(command, received, sent, flush=True)
    except (OSError, EOFError) as error:
        print(command, "failed:", error, flush=True)
