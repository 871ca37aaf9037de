"""What scripts/chaos and scripts/relay-chaos share: programs that are killed and started again, and callers of the bus that lose
their connections meanwhile."""

import os
import signal
import subprocess
import threading
import time
import uuid

import msgpack
import redis
import redis.backoff
import redis.exceptions
import redis.retry

# Every operation is answered within this, however often the gateway is killed meanwhile.
ANSWER_LIMIT = 60
# What became of an operation without a reply.
UNANSWERED = "no answer"


def wait_until(what, limit, condition):
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {limit} s")
        time.sleep(0.02)


class Process:
    """A program that is started again and again; as another user where this one is root."""

    def __init__(self, arguments, log, environment=None, user=None):
        as_user = ["--reuid", user, "--regid", user, "--init-groups"] if user and os.geteuid() == 0 else []
        # With this process, its children end.
        self.arguments = ["setpriv", "--pdeathsig", "KILL", *as_user, *map(str, arguments)]
        self.log = open(log, "ab")
        self.environment = {**os.environ, **(environment or {})}
        self.child = None

    def start(self):
        self.child = subprocess.Popen(
            self.arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=self.environment)

    def kill(self, number=signal.SIGKILL):
        self.child.send_signal(number)
        self.child.wait()


class Calls:
    """What became of the calls of an object."""

    def __init__(self):
        self.lock = threading.Lock()
        self.count = self.refused = self.unanswered = 0
        self.replies = []

    def take(self, reply_to, reply):
        """Takes note of a call. Returns why it failed; None when it was acknowledged."""
        with self.lock:
            self.count += 1
            self.replies.append(reply_to)
            if reply is None:
                self.unanswered += 1
                return UNANSWERED
            error = reply["Error"] or (reply["Output"]["Error"] or {}).get("Message")
            self.refused += error is not None
            return error

    def duplicates(self, connection):
        """How many replies there were beyond one a call."""
        return sum(
            connection.llen(reply_to) + max(0, connection.llen(f"{reply_to}.taken") - 1) for reply_to in self.replies)


class Broker:
    """A caller's connection, to one of the gateway's objects, which comes back when Redis does."""

    # Tells where a request is, in one step: queued, in hand, answered, or nowhere.
    WHERE = """
        if redis.call('EXISTS', KEYS[3]) == 1 then return 'answered' end
        if redis.call('EXISTS', KEYS[4]) == 1 then return 'answered' end
        if redis.call('LPOS', KEYS[1], ARGV[1]) then return 'queued' end
        if redis.call('LPOS', KEYS[2], ARGV[1]) then return 'in flight' end
        return 'nowhere'
        """

    def __init__(self, path, name, calls):
        self.name, self.calls = name, calls
        self.redis = redis.Redis(
            unix_socket_path=path, socket_timeout=None, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0))

    def insist(self, what, deadline):
        """Does it until Redis is there; only for what may be done twice."""
        while True:
            try:
                return what()
            except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def call(self, method, *arguments):
        """Why a call failed; None when it was acknowledged."""
        reply_to = str(uuid.uuid4())
        payload = msgpack.packb({
            "ID": reply_to, "Inputs": [msgpack.packb(a) for a in arguments],
            "Object": {"Name": self.name, "Version": "0.0.1"}, "ReplyTo": reply_to, "Method": method})
        return self.calls.take(reply_to, self.reply(reply_to, payload))

    def reply(self, reply_to, payload):
        """The reply to a call, or None when there is none in time. Calls are never pushed twice."""
        queue, taken = f"gateway.{self.name}@0.0.1", f"{reply_to}.taken"
        deadline = time.monotonic() + ANSWER_LIMIT

        try:
            self.redis.rpush(queue, payload)
        except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
            keys = [queue, f"{queue}.in-flight", reply_to, taken]
            while self.insist(lambda: self.redis.eval(self.WHERE, 4, *keys, payload), deadline) == b"nowhere":
                try:
                    self.redis.rpush(queue, payload)
                except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
                    continue

        # Moved, not popped: a reply that is lost on its way here with the connection is still there.
        def take():
            return self.redis.lindex(taken, 0) or self.redis.blmove(reply_to, taken, 1, "LEFT", "RIGHT")

        while time.monotonic() < deadline:
            reply = self.insist(take, deadline)
            if reply:
                return msgpack.unpackb(reply)
        return None
