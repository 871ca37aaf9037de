#!/usr/bin/env python3
"""Speaks the bus as its Go callers do, for tests that want a caller this project did not write.

    zbus_caller.py BROKER          unix:///path, tcp://[password@]host:port

Takes one JSON object a line on standard input and answers each with one on standard output, which carries the same "id"
and either what was asked for or "failure". Lines are worked on at the same time, so answers come in any order.

    {"id": 1, "op": "call", "module": "gateway", "object": "manager", "version": "0.0.1", "method": "DeleteNamedProxy",
     "arguments": ["workload"], "timeout": 10, "inspect": false}
        -> {"id": 1, "data": null, "data_hex": "", "call_error": null, "protocol_error": null, "same_id": true,
            "raw": "83a2…", "reply_to": "…", "ttl": null}
        Pushes a request and waits for its reply. "inspect" leaves the reply on its list and adds the list's "ttl" in
        seconds, which nobody sees once a caller has taken the reply. "reply_to" and "request_id" take the place of the
        UUIDs.
    {"op": "encode", …}                as "call"; the request's bytes only         -> {"raw": "85a2…"}
    {"op": "status", "module": …}      the module's status                         -> as "call"
    {"op": "extra_replies"}            replies beyond the first to any call so far  -> {"count": 0}
    {"op": "push", "queue": …, "hex": …}  raw bytes onto a list                     -> {"length": 1}
    {"op": "subscribe", "module", "object", "version", "stream"}                    -> {"subscription": 1}
    {"op": "events", "subscription": 1, "count": 3, "timeout": 10}                  -> {"events": […]}
    {"op": "serve", "module", "object", "version", "methods": {NAME: ANSWER}}       -> {"service": 1}
        Plays a module. An answer is {"result": VALUE}, {"error": TEXT, "result": ZERO}, {"protocol_error": TEXT},
        {"raw": HEX} or {"silent": true}; a method that is not there gets a protocol error. To serve an object again
        replaces its answers.
    {"op": "served", "service": 1}     the requests seen -> {"requests": [{"method": …, "arguments": […]}]}

Values: JSON as it is, an integer as Go's int (64 bits wide), a number with a fraction or exponent as float64, and

    {"$float": 2}  float64     {"$uint": 2}  uint64     {"$bin": "c0ff"}  bytes     {"$time": [seconds, nanoseconds]}
    {"$ip": "10.1.2.3"}  a Go net.IP, 16 bytes          {"$net": "10.1.2.3/24"}  a Go net.IPNet
    {"$raw": "c0"}  MessagePack as it stands

Answers use $bin and $time in the same way.
"""

import concurrent.futures
import ipaddress
import itertools
import json
import struct
import sys
import threading
import time
import urllib.parse
import uuid

import msgpack
import redis
import redis.backoff
import redis.retry

CALLS_AT_ONCE = 128


# MessagePack as Go writes it


def encode(value):
    match value:
        case bool() | None | str() | bytes():
            return msgpack.packb(value)
        case int():
            return b"\xd3" + struct.pack(">q", value)
        case float():
            return b"\xcb" + struct.pack(">d", value)
        case list():
            return msgpack.Packer().pack_array_header(len(value)) + b"".join(map(encode, value))
        case {"$float": number}:
            return encode(float(number))
        case {"$uint": number}:
            return b"\xcf" + struct.pack(">Q", number)
        case {"$bin": text}:
            return encode(bytes.fromhex(text))
        case {"$time": [seconds, nanoseconds]}:
            return msgpack.packb(msgpack.Timestamp(seconds, nanoseconds))
        case {"$ip": text}:
            return encode(go_address(ipaddress.ip_address(text)))
        case {"$net": text}:
            interface = ipaddress.ip_interface(text)
            return encode({"IP": go_address(interface.ip), "Mask": interface.netmask.packed})
        case {"$raw": text}:
            return bytes.fromhex(text)
        case dict():
            header = msgpack.Packer().pack_map_header(len(value))
            return header + b"".join(encode(key) + encode(member) for key, member in value.items())
    raise TypeError(f"no MessagePack for {value!r}")


def go_address(address):
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed


def decode(data):
    """A value as JSON. Nothing, which is how no result is written, is null."""
    return to_json(msgpack.unpackb(data, strict_map_key=False)) if data else None


def to_json(value):
    match value:
        case bytes():
            return {"$bin": value.hex()}
        case msgpack.Timestamp():
            return {"$time": [value.seconds, value.nanoseconds]}
        case list():
            return [to_json(element) for element in value]
        case dict():
            return {key if isinstance(key, str) else repr(key): to_json(member) for key, member in value.items()}
    return value


# The bus


def connect(broker):
    url = urllib.parse.urlsplit(broker)
    # Without a second try: a request must not be pushed twice.
    options = {"max_connections": 4 * CALLS_AT_ONCE, "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0)}
    # A reply may take longer than the few seconds that newer versions of the library give a socket.
    options |= {"socket_timeout": None}
    if url.scheme == "unix":
        options |= {"connection_class": redis.UnixDomainSocketConnection, "path": url.path}
    else:
        secret = url.password or url.username
        password = urllib.parse.unquote(secret) if secret else None
        options |= {"host": url.hostname, "port": url.port or 6379, "password": password}
    return redis.Redis(connection_pool=redis.ConnectionPool(**options))


def object_key(ask):
    version = ask.get("version", "")
    return f"{ask['module']}.{ask['object']}" + (f"@{version}" if version else "")


class Caller:
    """Every method that starts with do_ is an op."""

    def __init__(self, broker):
        self.redis = connect(broker)
        self.redis.ping()
        self.asked = []  # the reply list of every call, and of those whose reply was taken off it
        self.taken = set()
        self.subscriptions = {}
        self.services = {}
        self.numbers = itertools.count(1)

    # Calls

    def do_encode(self, ask):
        return {"raw": self.request(ask)[1].hex()}

    def do_call(self, ask):
        reply_to, message = self.request(ask)
        self.asked.append(reply_to)
        self.redis.rpush(object_key(ask), message)
        return self.reply(ask, reply_to)

    def do_status(self, ask):
        return self.do_call({**ask, "object": "zbus", "version": "1.0", "method": ""})

    def request(self, ask):
        own_id = ask.get("request_id") or str(uuid.uuid4())
        reply_to = ask.get("reply_to") or str(uuid.uuid4())
        ask["request_id"] = own_id
        return reply_to, encode(
            {
                "ID": own_id,
                "Inputs": [encode(argument) for argument in ask.get("arguments", [])],
                "Object": {"Name": ask["object"], "Version": ask.get("version", "")},
                "ReplyTo": reply_to,
                "Method": ask["method"],
            }
        )

    def reply(self, ask, reply_to):
        timeout, ttl = ask["timeout"], None
        if ask.get("inspect"):
            deadline = time.monotonic() + timeout
            while not (raw := self.redis.lindex(reply_to, 0)) or (ttl := self.redis.ttl(reply_to)) < 0:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no reply within {timeout} s" if not raw else "a reply that never expires")
                time.sleep(0.002)
        else:
            popped = self.redis.blpop([reply_to], timeout)
            if not popped:
                raise TimeoutError(f"no reply within {timeout} s")
            raw = popped[1]
            self.taken.add(reply_to)
        response = msgpack.unpackb(raw)
        output = response["Output"]
        error = output["Error"]
        return {
            "data": decode(output["Data"]),
            "data_hex": output["Data"].hex() if output["Data"] is not None else None,
            "call_error": error["Message"] if error is not None else None,
            "protocol_error": response["Error"],
            "same_id": response["ID"] == ask["request_id"],
            "raw": raw.hex(),
            "reply_to": reply_to,
            "ttl": ttl,
        }

    def do_extra_replies(self, ask):
        pipeline = self.redis.pipeline(transaction=False)
        for reply_to in (asked := list(self.asked)):
            pipeline.llen(reply_to)
        counts = zip(asked, pipeline.execute())
        return {"count": sum(count if reply_to in self.taken else max(count - 1, 0) for reply_to, count in counts)}

    def do_push(self, ask):
        return {"length": self.redis.rpush(ask["queue"], bytes.fromhex(ask["hex"]))}

    # Streams

    def do_subscribe(self, ask):
        subscription = self.redis.pubsub()
        subscription.subscribe(f"{object_key(ask)}.{ask['stream']}")
        if subscription.get_message(timeout=60) is None:
            raise TimeoutError("subscription not confirmed")
        number = next(self.numbers)
        self.subscriptions[number] = subscription
        return {"subscription": number}

    def do_events(self, ask):
        subscription, timeout = self.subscriptions[ask["subscription"]], ask["timeout"]
        deadline, events = time.monotonic() + timeout, []
        while len(events) < ask["count"]:
            remaining = deadline - time.monotonic()
            message = subscription.get_message(timeout=remaining) if remaining > 0 else None
            if message and message["type"] == "message":
                events.append(decode(message["data"]))
            elif remaining <= 0:
                raise TimeoutError(f"{len(events)} of {ask['count']} events within {timeout} s")
        return {"events": events}

    # Playing a module

    def do_serve(self, ask):
        key = object_key(ask)
        for number, service in self.services.items():
            if service.key == key:
                service.methods = ask["methods"]
                return {"service": number}
        number = next(self.numbers)
        self.services[number] = Service(self.redis, key, ask["methods"])
        return {"service": number}

    def do_served(self, ask):
        return {"requests": list(self.services[ask["service"]].requests)}


class Service:
    def __init__(self, connection, key, methods):
        self.redis, self.key, self.methods, self.requests = connection, key, methods, []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                popped = self.redis.blpop([self.key], 1)
                if popped:
                    self.answer(msgpack.unpackb(popped[1]))
            except redis.RedisError:
                time.sleep(0.05)  # it comes back, or the process ends

    def answer(self, request):
        method = request["Method"]
        self.requests.append({"method": method, "arguments": [decode(argument) for argument in request["Inputs"]]})
        answer = self.methods.get(method, {"protocol_error": "not a function"})
        if answer.get("silent"):
            return
        if "raw" in answer:
            message = bytes.fromhex(answer["raw"])
        else:
            error = answer.get("error")
            message = encode(
                {
                    "ID": request["ID"],
                    "Output": {
                        "Data": encode(answer["result"]) if "result" in answer else None,
                        "Error": {"Message": error} if error is not None else None,
                    },
                    "Error": answer.get("protocol_error"),
                }
            )
        self.redis.rpush(request["ReplyTo"], message)
        self.redis.expire(request["ReplyTo"], 300)


def main():
    caller = Caller(sys.argv[1])
    output = threading.Lock()

    def say(value):
        with output:
            print(json.dumps(value, separators=(",", ":")), flush=True)

    def work(ask):
        try:
            answer = getattr(caller, "do_" + ask["op"])(ask)
        except Exception as failure:
            answer = {"failure": f"{type(failure).__name__}: {failure}"}
        say({**answer, "id": ask["id"]})

    with concurrent.futures.ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        say({"ready": True})
        for line in sys.stdin:
            pool.submit(work, json.loads(line))


if __name__ == "__main__":
    main()
