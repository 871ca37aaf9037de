#!/usr/bin/env python3
"""Publishes a workload, asks for all routes and the traffic, and withdraws it again.

    caller.py SOCKET        Redis' unix socket

Needs redis and msgpack from PyPI.
"""

import sys
import uuid

import msgpack
import redis

TIMEOUT = 20  # seconds


class CallError(Exception):
    """The method ran and refused."""


class ProtocolError(Exception):
    """The call did not reach a method: a fault in this program, or another version of the module."""


def call(bus, method, *arguments):
    reply_to = str(uuid.uuid4())
    request = {
        "ID": reply_to,
        # Each argument is MessagePack of its own, as binary.
        "Inputs": [msgpack.packb(argument) for argument in arguments],
        "Object": {"Name": "manager", "Version": "0.0.1"},
        "ReplyTo": reply_to,
        "Method": method,
    }
    bus.rpush("gateway.manager@0.0.1", msgpack.packb(request))
    answer = bus.blpop([reply_to], timeout=TIMEOUT)
    if answer is None:
        raise TimeoutError(f"{method}: no answer within {TIMEOUT} s; it may still take effect")
    response = msgpack.unpackb(answer[1])
    if response["Error"]:
        raise ProtocolError(response["Error"])
    output = response["Output"]
    if output["Error"]:
        raise CallError(output["Error"]["Message"])
    # No bytes, or nil: the method has no result.
    return msgpack.unpackb(output["Data"]) if output["Data"] else None


def main():
    bus = redis.Redis(unix_socket_path=sys.argv[1])
    proxy = {"Name": "web", "TLSPassthrough": False, "Backends": ["http://10.1.2.3:9000"]}

    print("published", call(bus, "SetNamedProxy", "37-1976-web", proxy))
    try:
        call(bus, "SetNamedProxy", "37-1977-web", proxy)
    except CallError as error:
        print("refused:", error)
    for route in call(bus, "Routes"):
        print("route", route["Workload"], route["Kind"], route["FQDN"], *route["Backends"])
    metrics = call(bus, "Metrics")
    print("sent to backends:", metrics["Request"].get("37-1976-web", 0.0) + 0.0, "bytes")
    call(bus, "DeleteNamedProxy", "37-1976-web")
    print("withdrawn")


if __name__ == "__main__":
    main()
