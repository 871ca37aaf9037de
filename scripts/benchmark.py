"""What scripts/bench and scripts/relay-bench share: programs that run meanwhile, the table, and what else the machine does."""

import datetime
import os
import pathlib
import platform
import resource
import shutil
import statistics
import subprocess
import sys

import msgpack

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUTPUT = ROOT / ".build-bench"
# Where the load generator of the bus puts an address of the call's own.
PLACEHOLDER = "@@@@@@@@-@@@@-@@@@-@@@@-@@@@@@@@@@@@"
MIB = 1 << 20


# Programs


def compiled(name, *options):
    """A program of Benchmarks, made anew when its source is younger."""
    source, program = ROOT / "Benchmarks" / f"{name}.c", OUTPUT / name.replace("/", "-")
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        compiler = shutil.which("cc") or "clang"
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", program, source, *options], check=True)
    return program


def output_of(*arguments):
    return subprocess.run(list(map(str, arguments)), check=True, stdout=subprocess.PIPE, text=True).stdout


class Server:
    """A program that runs until it is stopped; as another user where this one is root."""

    def __init__(self, stack, directory, *arguments, environment=None, user=None):
        self.log = directory / f"{pathlib.Path(arguments[0]).name}.log"
        as_user = ["--reuid", user, "--regid", user, "--init-groups"] if user and os.geteuid() == 0 else []
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                # With this process, its children end.
                ["setpriv", "--pdeathsig", "KILL", *as_user, *map(str, arguments)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(environment or {})})
        stack.callback(self.stop)

    def stop(self):
        self.child.kill()
        self.child.wait()

    def pin(self, cores):
        for thread in os.listdir(f"/proc/{self.child.pid}/task"):
            os.sched_setaffinity(int(thread), cores)

    @property
    def cpu_seconds(self):
        """Of all its threads, in nanosecond steps, unlike the clock ticks of /proc/PID/stat."""
        threads = pathlib.Path(f"/proc/{self.child.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    @property
    def resident_bytes(self):
        pages = pathlib.Path(f"/proc/{self.child.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


# The bus


def request(method, *arguments, reply_to=PLACEHOLDER, name="manager"):
    return msgpack.packb({
        "ID": reply_to, "Inputs": [msgpack.packb(a) for a in arguments],
        "Object": {"Name": name, "Version": "0.0.1"}, "ReplyTo": reply_to, "Method": method})


# The table


class Table:
    """Figures of this build beside those of a floor, or of another program that does the same."""

    def __init__(self, peer="floor"):
        self.rows, self.notes, self.peer = [], [], peer

    def add(self, figure, unit, pairs, at_most=None, at_least=None, ratio_at_most=None, ratio_at_least=None):
        """A row: of each pair, the first is this build's and the second, which may be None, the floor's."""
        build = statistics.median(pair[0] for pair in pairs)
        floors = [pair[1] for pair in pairs if pair[1] is not None]
        floor = statistics.median(floors) if floors else None
        ratio = build / floor if floor else None
        asked = [
            (f"≤ {at_most:,}" if at_most else "", at_most is None or build <= at_most),
            (f"≥ {at_least:,}" if at_least else "", at_least is None or build >= at_least),
            (f"≤ {ratio_at_most} ×" if ratio_at_most else "", ratio_at_most is None or ratio <= ratio_at_most),
            (f"≥ {ratio_at_least} ×" if ratio_at_least else "", ratio_at_least is None or ratio >= ratio_at_least)]
        wanted = ", ".join(text for text, _ in asked if text)
        self.rows.append({
            "figure": figure, "unit": unit, "build": build, "floor": floor, "ratio": ratio,
            "ratios": sorted(a / b for a, b in pairs if b), "asked": wanted,
            "met": all(met for _, met in asked) if wanted else None, "pairs": pairs})
        print(".", end="", file=sys.stderr, flush=True)

    def note(self, text):
        self.notes.append(text)

    def markdown(self):
        head = ["figure", "unit", "this build", self.peer, "ratio", "of pairs", "asked", "met"]
        lines = [[
            row["figure"], row["unit"], number(row["build"]), number(row["floor"]), number(row["ratio"], 2),
            f"{row['ratios'][0]:.2f}–{row['ratios'][-1]:.2f}" if len(row["ratios"]) > 1 else "", row["asked"],
            {True: "yes", False: "**no**", None: ""}[row["met"]]] for row in self.rows]
        widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
        is_text = [True, True, False, False, False, False, False, True]
        rule = ["-" * w if text else "-" * (w - 1) + ":" for w, text in zip(widths, is_text)]
        body = [
            [cell.ljust(w) if text else cell.rjust(w) for cell, w, text in zip(line, widths, is_text)]
            for line in [head, rule, *lines]]
        return "\n".join("| " + " | ".join(line) + " |" for line in body) + "".join(f"\n\n{n}" for n in self.notes)


def number(value, digits=None):
    if value is None:
        return ""
    if digits is None:
        digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def alternately(runs, build, floor):
    """What both return, as pairs; who goes first alternates too."""
    pairs = []
    for run in range(runs):
        if run % 2:
            second = floor()
            pairs.append((build(), second))
        else:
            first = build()
            pairs.append((first, floor()))
    return pairs


def each(pairs, name):
    return [(build[name], floor and floor[name]) for build, floor in pairs]


# The machine


def busy_seconds():
    """What all programs and the kernel have used of all cores."""
    fields = list(map(int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    """What this program and those that it has started and awaited have used."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def machine(directory):
    cpu = next(
        (line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    file_system = output_of("findmnt", "--noheadings", "--output", "FSTYPE", "--target", directory).strip()
    return {
        "date": datetime.date.today().isoformat(), "cpu": cpu, "cores": os.cpu_count(), "memory-gib": round(memory, 1),
        "kernel": platform.release(), "file-system": file_system}
