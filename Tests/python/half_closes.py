"""Somebody who says all he has to say and closes his half before he is answered, and the application that answers only then.

    half_closes.py APPLICATION ADDRESS [BYTES]

Listens at APPLICATION, and connects to ADDRESS, which leads there. Prints `whole` when both have received what the other has sent,
and else what is wrong.
"""
import socket, sys, threading


def endpoint(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def receive(connection):
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


size = int(sys.argv[3]) if len(sys.argv) > 3 else 3_000_000
question, answer = b"q" * size, b"a" * size
listener = socket.create_server(endpoint(sys.argv[1]))
asked = []


def serve():
    connection, _ = listener.accept()
    with connection:
        asked.append(receive(connection))
        connection.sendall(answer)


application = threading.Thread(target=serve)
application.start()
with socket.create_connection(endpoint(sys.argv[2])) as user:
    user.sendall(question)
    user.shutdown(socket.SHUT_WR)
    try:
        answered = receive(user)
    except OSError as error:
        answered = str(error)
application.join()
if asked != [question]:
    print("the application has received", len(asked[0]), "of", size, "bytes")
elif answered != answer:
    print("the user has received", answered if isinstance(answered, str) else f"{len(answered)} of {size} bytes")
else:
    print("whole")
