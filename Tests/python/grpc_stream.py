"""A gRPC service with a stream in both directions, over TLS, and its client.

    grpc_stream.py serve CERTIFICATE KEY                  listens at a free port of 127.0.0.1, which it prints: "port N"
    grpc_stream.py call ADDRESS NAME AUTHORITY SECONDS    for SECONDS sends a message each half second and waits for each answer

The call prints how many answers came, and how the stream ended: "answers N OK", or "answers N CODE DETAILS".
"""
import sys
import threading
import time
from concurrent import futures

import grpc


def serve(certificate, key):
    def echo(requests, context):
        for request in requests:
            yield request

    handler = grpc.method_handlers_generic_handler("test.Echo", {"Stream": grpc.stream_stream_rpc_method_handler(echo)})
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((handler,))
    with open(key, "rb") as private, open(certificate, "rb") as public:
        credentials = grpc.ssl_server_credentials([(private.read(), public.read())])
    print("port", server.add_secure_port("127.0.0.1:0", credentials), flush=True)
    server.start()
    server.wait_for_termination()


def call(address, name, authority, seconds):
    with open(authority, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    options = [("grpc.ssl_target_name_override", name), ("grpc.default_authority", name), ("grpc.enable_http_proxy", 0)]
    end = time.monotonic() + float(seconds)
    arrived = threading.Semaphore(0)

    def requests():
        while time.monotonic() < end:
            yield b"x" * 100
            arrived.acquire(timeout=60)
            time.sleep(0.5)

    answers = 0
    with grpc.secure_channel(address, credentials, options) as channel:
        stream = channel.stream_stream("/test.Echo/Stream")(requests(), wait_for_ready=True, timeout=float(seconds) + 60)
        try:
            for _ in stream:
                answers += 1
                arrived.release()
            print("answers", answers, stream.code().name)
        except grpc.RpcError as error:
            print("answers", answers, error.code().name, error.details())


if __name__ == "__main__":
    {"serve": serve, "call": call}[sys.argv[1]](*sys.argv[2:])
