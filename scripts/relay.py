"""What scripts/relay-bench and scripts/relay-chaos share: where the relay listens, the files that it follows, and what it tells of
itself."""

import hashlib
import http.client
import random
import re
import socket

HOST = "127.0.0.1"


def port():
    """One to listen at that no connection is given from this machine to somewhere else, while nobody listens there."""
    while True:
        candidate = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as tcp:
            try:
                tcp.bind((HOST, candidate))
                return candidate
            except OSError:
                continue


def endpoint(address):
    """IP:PORT as Python has it."""
    host, _, number = address.rpartition(":")
    return host, int(number)


def tunnel_address(number, at):
    """That of the tunnel of this number, from 0 on."""
    return f"127.64.{(number + 2) >> 8}.{(number + 2) & 255}:{at}"


def write_tunnel(root, workload, secret, address):
    path = root / "tunnels" / f"{workload}.yaml"
    # Quoted, as some would be numbers.
    path.write_text(f"secret: '{hashlib.sha256(secret.encode()).hexdigest()}'\naddress: {address}\n")
    path.chmod(0o600)


def write_pipe(root, workload, listen, remote):
    (root / "pipes" / f"{workload}.yaml").write_text(f"listen:\n  address: {listen}\nremote:\n  address: {remote}\n")


class Metrics:
    """What a relay tells of itself, at one moment."""

    SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")

    def __init__(self, at):
        connection = http.client.HTTPConnection(HOST, at, timeout=5)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        self.samples = [match.groups() for line in text.splitlines() if (match := self.SAMPLE.match(line))]

    def values(self, name, label=""):
        """Of all series of that name which have that label."""
        return [float(value) for found, labels, value in self.samples if found == name and label in (labels or "")]

    @property
    def connections(self):
        return self.values("gateway_relay_connections")[0]

    @property
    def streams(self):
        return sum(self.values("gateway_relay_streams"))

    def sessions(self, workload=None):
        """How many clients are connected, of one tunnel or of all."""
        label = f'tunnel="{workload}"' if workload else ""
        return len(self.values("gateway_relay_session_start_time_seconds", label))

    def served(self, kind):
        """How many: of the kind `tunnel`, or `pipe`."""
        return len(self.values("gateway_relay_streams", f"{kind}="))
