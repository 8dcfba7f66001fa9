#!/usr/bin/env python3
"""How a log fares as it grows: fills a real acta-log, and measures at each step. Prints a table; draws curves.

    scripts/growth.py PROGRAMS [--entries 10000000] [--json FILE] [--svg DIR] [--write]
    scripts/growth.py PROGRAMS --entries 100000000 --step 10000000 --batch-only
    scripts/growth.py --redraw FILE [--svg DIR] [--write]

PROGRAMS is the directory of optimized acta and acta-log. At each step: how fast batches of 256-byte entries went in on the way there, how fast
single adds are (closed loop), how long they take at half of that (open loop), memory, and bytes on disk. At some steps (--checks-every): how
long it takes to stop, to start again, to start after being killed under load, to read all of it over HTTP (acta audit), and to check the store
(acta-log fsck). While there is load the server has the first core and the generator the second; all else has both.

--write puts the table into docs/benchmarks.md between its markers. 10 million entries take about seven minutes and 9 GB, 100 million by
batch half an hour and 45 GB; the log is made in DATA (the directory for temporary files), and removed. When the disk has less than 6 GB
left it stops there, and tells of what it has.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True  # the module beside this one is not worth a directory in the sources
import curves  # noqa: E402

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
ENTRY = 256
# An entry, its hash, and its row in the index of leaf hashes.
RAW = ENTRY + 32 + 40
LEAST_FREE = 6 << 30
SLICE = 5
PINNED = (os.cpu_count() or 1) > 1


class DiskFull(Exception):
    """Less than LEAST_FREE is left."""


class Server:
    """An acta-log that was started, with how long that took."""

    def __init__(self, program, directory, pinned):
        core = ["taskset", "-c", "0"] if pinned and PINNED else []
        command = [*core, program, "serve", "--dir", directory, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]
        began = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=open(directory.parent / "messages", "ab"), text=True)
        addresses = {}
        for line in self.process.stdout:
            found = re.match(r"(listening|operations) on (http://\S+)", line)
            addresses.update({found[1]: found[2]} if found else {})
            if len(addresses) == 2:
                break
        else:
            sys.exit(f"acta-log did not start:\n{(directory.parent / 'messages').read_text()[-3000:]}")
        self.url, self.operations = addresses["listening"], addresses["operations"]
        while not self.ready():
            time.sleep(0.005)
        self.size()
        self.start_seconds = time.monotonic() - began

    def ready(self):
        try:
            return fetch(f"{self.operations}/readyz") is not None
        except urllib.error.HTTPError:
            return False

    def size(self):
        return int(fetch(f"{self.url}/checkpoint").splitlines()[1])

    def memory(self):
        """Bytes resident now."""
        return status(self.process.pid, "VmRSS")

    def peak(self):
        """Bytes resident at most since the last time that this was asked."""
        peak = status(self.process.pid, "VmHWM")
        with contextlib.suppress(OSError):
            pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return peak

    def stop(self, how=signal.SIGTERM):
        """Gives how long it took."""
        began = time.monotonic()
        self.process.send_signal(how)
        code = self.process.wait()
        if code not in (0, -how):
            sys.exit(f"acta-log ended with {code}")
        return time.monotonic() - began


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def status(pid, name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1]) * 1024


def on_disk(directory):
    """Bytes that the files take; those that go while this looks do not count."""
    total = 0
    for path in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total


class Growth:
    """A log that grows, and what was measured of it."""

    def __init__(self, given, home):
        self.given, self.home, self.directory = given, home, home / "log"
        self.acta, self.log = given.programs / "acta", given.programs / "acta-log"
        self.steps = []
        self.rate = 100_000.0
        self.server = None

    def bench(self, *options):
        core = ["taskset", "-c", "1"] if PINNED else []
        command = [*core, self.acta, "bench", "--log", self.server.url, "--entry-bytes", str(ENTRY), "--json", *map(str, options)]
        ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if not ran.stdout:
            sys.exit(f"acta bench: {ran.stderr}")
        report = json.loads(ran.stdout)
        if report["errors"]:
            sys.exit(f"acta bench: {report['errors']}")
        return report

    def grow(self):
        init = [self.log, "init", "--dir", self.directory, "--origin", "growth.example/log", "--admission", "open"]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
        self.server = Server(self.log, self.directory, pinned=True)
        sizes = range(0, self.given.entries + 1, self.given.step)
        try:
            for number, size in enumerate(sizes):
                step = {"batch_rate": self.fill(size)}
                if not self.given.batch_only:
                    self.singles(step)
                step |= {"peak": self.server.peak(), "memory": self.server.memory(), "disk": on_disk(self.directory), "size": self.server.size()}
                self.steps.append(step)
                if size and (number % self.given.checks_every == 0 or size == sizes[-1]):
                    self.checks(step)
                print(json.dumps(step), file=sys.stderr, flush=True)
        except DiskFull as error:
            print(f"stopped at {self.server.size():,} entries: {error}", file=sys.stderr)
        finally:
            self.server.process.kill()
            self.server.process.wait()

    def fill(self, size):
        """Batches until the log has about `size` entries. Gives their rate."""
        entries, seconds = 0, 0.0
        while (left := size - self.server.size()) > 0.02 * self.given.step:
            free = shutil.disk_usage(self.home).free
            if free < LEAST_FREE + SLICE * self.rate * 2 * RAW:
                raise DiskFull(f"{free / 1e9:.1f} GB are left on the disk, of which at least {LEAST_FREE / 1e9:.1f} stay")
            slice_seconds = min(SLICE, max(0.2, left / self.rate))
            load = ("--mode", "add-batch", "--batch", self.given.batch, "--connections", self.given.batch_connections)
            report = self.bench(*load, "--seconds", f"{slice_seconds:.2f}", "--warm-up", "0")
            if not report["entries"]:
                sys.exit(f"the log takes nothing in any more: {report}")
            entries, seconds = entries + report["entries"], seconds + report["seconds"]
            self.rate = max(1000.0, report["entries_per_second"])
        return entries / seconds if entries else None

    def singles(self, step):
        time.sleep(self.given.rest)
        load = ("--mode", "add", "--connections", self.given.connections, "--seconds", self.given.seconds, "--warm-up", "1")
        closed = self.bench(*load)
        step["add_rate"] = closed["entries_per_second"]
        half = self.bench(*load, "--rate", max(1, int(closed["requests_per_second"] / 2)))
        step |= {f"{name}_ms": half["latency"][f"{name}_us"] / 1000 for name in ("p50", "p99")}
        step["kept_up"] = half["open_loop"]["kept_up"]

    def checks(self, step):
        """Stops and starts; the last start has the load's core again."""
        step["stop_s"] = self.server.stop()
        self.server = Server(self.log, self.directory, pinned=False)
        step["clean_start_s"] = self.server.start_seconds
        command = [self.acta, "bench", "--log", self.server.url, "--entry-bytes", str(ENTRY), "--mode", "add-batch", "--seconds", "60"]
        load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = self.server.size()
        while self.server.size() < before + min(300_000, self.given.step // 2):
            time.sleep(0.02)
        self.server.stop(signal.SIGKILL)
        load.kill()
        load.wait()
        self.server = Server(self.log, self.directory, pinned=False)
        step["killed_start_s"] = self.server.start_seconds
        step["audited"] = self.server.size()
        policy, state = self.directory / "policy", self.home / "state"
        audit = [self.acta, "audit", "--log", self.server.url, "--policy", policy, "--state", state]
        step["audit_s"] = timed(audit)
        self.server.stop()
        step["fsck_s"] = timed([self.log, "fsck", "--dir", self.directory])
        self.server = Server(self.log, self.directory, pinned=True)


def timed(command):
    began = time.monotonic()
    ran = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if ran.returncode != 0:
        sys.exit(f"{command[0].name} {command[1]} failed: {ran.stderr[-2000:]}")
    return time.monotonic() - began


COLUMNS = {
    "entries, million": lambda step: f"{step['size'] / 1e6:.2f}",
    "by batch, entries/s": lambda step: f"{step['batch_rate']:,.0f}",
    "single adds/s": lambda step: f"{step['add_rate']:,.0f}",
    "p50 ms at half of that": lambda step: f"{step['p50_ms']:.2f}",
    "p99 ms": lambda step: f"{step['p99_ms']:.2f}" + ("" if step["kept_up"] else " (rate not kept)"),
    "MB resident at most": lambda step: f"{step['peak'] / 1e6:,.0f}",
    "GB on disk": lambda step: f"{step['disk'] / 1e9:.2f}",
    "of the rows' bytes": lambda step: f"{step['disk'] / (step['size'] * RAW):.2f}" if step["size"] > 10_000 else "–",
    "stop, s": lambda step: f"{step['stop_s']:.2f}",
    "start, s": lambda step: f"{step['clean_start_s']:.2f}",
    "start after a kill, s": lambda step: f"{step['killed_start_s']:.2f}",
    "audit, s": lambda step: f"{step['audit_s']:.1f}",
    "fsck, s": lambda step: f"{step['fsck_s']:.1f}",
}


def table(measured):
    def cell(column, step):
        try:
            return column(step)
        except (KeyError, TypeError):
            return "–"

    shown = {name: [cell(column, step) for step in measured["steps"]] for name, column in COLUMNS.items()}
    shown = {name: cells for name, cells in shown.items() if set(cells) != {"–"}}
    rows = ["| " + " | ".join(shown) + " |", "|--:" * len(shown) + "|"]
    return "\n".join([*rows, *("| " + " | ".join(cells) + " |" for cells in zip(*shown.values()))])


# File, title, unit, and for each line its name, its value, and what to divide that by.
CHARTS = (
    ("batch-rate", "Adding by batch", "entries a second", {"256 bytes each": ("batch_rate", 1)}),
    ("add-rate", "Adding one by one, each durable and under a signed head", "adds a second", {"closed loop": ("add_rate", 1)}),
    ("latency", "Time to an answer at half of that rate", "milliseconds", {"half are faster": ("p50_ms", 1), "99 of 100 are": ("p99_ms", 1)}),
    ("memory", "Memory of the server", "MB resident", {"at most": ("peak", 1e6), "after the step": ("memory", 1e6)}),
    ("disk", "Disk", "GB", {"all files": ("disk", 1e9), "entries, hashes and index": ("raw", 1e9)}),
    ("start", "Until it is ready", "seconds", {"after a clean stop": ("clean_start_s", 1), "after a kill under load": ("killed_start_s", 1)}),
    ("check", "Checking all of it", "seconds", {"acta audit, over HTTP": ("audit_s", 1), "acta-log fsck": ("fsck_s", 1)}),
)


def draw(measured, directory):
    """Gives for each chart that there is its file and its title."""
    directory.mkdir(parents=True, exist_ok=True)
    charts = []
    steps = [{**step, "raw": step["size"] * RAW} for step in measured["steps"]]
    prefix = "large-" if measured["batch_only"] else ""
    for name, title, unit, lines in CHARTS:
        drawn = {label: [(step["size"] / 1e6, step[key] / by) for step in steps if step.get(key) is not None] for label, (key, by) in lines.items()}
        drawn = {label: points for label, points in drawn.items() if len(points) > 1}  # one point is no curve; it is in the table
        if drawn:
            charts.append((directory / f"{prefix}{name}.svg", title))
            charts[-1][0].write_text(curves.svg(title, "entries in the log, millions", unit, drawn))
    return charts


def write(measured, charts):
    """Puts the table between its markers, and behind it the charts."""
    path = DOCS / "benchmarks.md"
    name = "growth by batch" if measured["batch_only"] else "growth"
    begin, end = f"<!-- measured: {name} -->", f"<!-- /measured: {name} -->"
    before, found, rest = path.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        sys.exit(f"{path} has no place for this: it wants the lines {begin} and {end}")
    images = "".join(f"\n![{title}]({os.path.relpath(file, DOCS)})\n" for file, title in charts)
    path.write_text(f"{before}{begin}\n{measured['machine']}\n\n{table(measured)}\n{images}{end}{after}")


def machine():
    model = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    memory = re.search(r"^MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M)
    now = datetime.datetime.now(datetime.timezone.utc)
    load = os.getloadavg()[0]
    return f"{now:%Y-%m-%d}; {os.cpu_count()} cores of {model[1] if model else 'a processor'}, {int(memory[1]) / 2**20:.0f} GiB; load average {load:.1f} at the beginning."


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("programs", type=pathlib.Path, nargs="?")
    arguments.add_argument("--entries", type=int, default=10_000_000)
    arguments.add_argument("--step", type=int, help="entries between two measurements; a tenth of all by default")
    arguments.add_argument("--checks-every", type=int, default=5, help="steps between two stops and starts (5); the last step has them always")
    arguments.add_argument("--batch-only", action="store_true", help="no single adds")
    arguments.add_argument("--batch", type=int, default=2048, help="entries in a batch (2,048)")
    arguments.add_argument("--batch-connections", type=int, default=8, help="connections that send batches (8)")
    arguments.add_argument("--connections", type=int, default=256, help="connections for single adds (256)")
    arguments.add_argument("--seconds", type=float, default=5, help="of each measurement of single adds (5)")
    arguments.add_argument("--rest", type=float, default=2, help="seconds between batches and single adds (2)")
    arguments.add_argument("--data", type=pathlib.Path, help="where to make the log")
    arguments.add_argument("--json", type=pathlib.Path, help="keep what was measured")
    arguments.add_argument("--svg", type=pathlib.Path, help="draw curves into this directory")
    arguments.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    arguments.add_argument("--redraw", type=pathlib.Path, help="measure nothing; take what --json kept")
    given = arguments.parse_args()
    if given.redraw:
        measured = json.loads(given.redraw.read_text())
    elif given.programs:
        given.programs = given.programs.resolve()
        given.step = given.step or max(1, given.entries // 10)
        measured = {"machine": machine(), "batch_only": given.batch_only}
        with tempfile.TemporaryDirectory(prefix="growth-", dir=given.data) as home:
            growth = Growth(given, pathlib.Path(home))
            measured["steps"] = growth.steps
            try:
                growth.grow()
            finally:
                # Also when a step fails: what was measured before it took long.
                if given.json:
                    given.json.write_text(json.dumps(measured, indent=1) + "\n")
    else:
        arguments.error("name the directory of the programs, or a file to draw from")
    print(table(measured))
    charts = draw(measured, given.svg) if given.svg else []
    if given.write:
        write(measured, charts)


if __name__ == "__main__":
    main()
