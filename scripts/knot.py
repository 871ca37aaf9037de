"""What scripts/bench and scripts/chaos share: where Knot's programs are, and questions by UDP, in messages that are made and
read here (RFC 1035)."""

import os
import shutil
import socket
import struct
import sys
import typing

TYPES = {"A": 1, "SOA": 6, "TXT": 16}
STATUSES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED", 9: "NOTAUTH"}


class Answer(typing.NamedTuple):
    status: str
    # The data of the records of the type that was asked for.
    records: list[bytes]

    @property
    def serial(self):
        """Of a start of authority: the first of the five numbers at its end."""
        return struct.unpack(">I", self.records[0][-20:-16])[0]


def knot_program(name):
    """Debian has Knot's programs where root alone looks for them."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    return path or sys.exit(f"{name} is not there; make setup installs it")


def free_port():
    """One that is free by UDP and by TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]
            except OSError:
                continue


class DNSClient:
    """Asks the name server at a port of loopback one question after the other."""

    def __init__(self, port, patience=1):
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(patience)
        self.number = 0

    def ask(self, name, kind):
        """The answer; None when there is none in time, or nobody to give one."""
        self.number = (self.number + 1) % (1 << 16)
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        question = labels + struct.pack(">BHH", 0, TYPES[kind], 1)
        try:
            self.socket.send(struct.pack(">6H", self.number, 0, 1, 0, 0, 0) + question)
            while True:
                message = self.socket.recv(65536)
                # Others answer a question that was given up.
                if struct.unpack_from(">H", message)[0] == self.number:
                    return self.read(message, 12 + len(question), TYPES[kind])
        except (ConnectionRefusedError, TimeoutError):
            return None

    @classmethod
    def read(cls, message, at, kind):
        flags, _, count = struct.unpack_from(">HHH", message, 2)
        records = []
        for _ in range(count):
            at = cls.end_of_name(message, at)
            found, _, _, length = struct.unpack_from(">HHIH", message, at)
            at += 10 + length
            if found == kind:
                records.append(message[at - length:at])
        return Answer(STATUSES.get(flags & 15, str(flags & 15)), records)

    @staticmethod
    def end_of_name(message, at):
        while length := message[at]:
            if length >= 192:  # the rest stands elsewhere
                return at + 2
            at += 1 + length
        return at + 1
