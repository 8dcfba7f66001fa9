#!/usr/bin/env python3
"""Measures acta-log and Tessera's POSIX log side by side: the same generator, the same disk, in turns, in one run.

    interop/compare/compare.py PROGRAMS [--seconds 60] [--sweep 8] [--turns 2] [--json FILE]

PROGRAMS is the directory of our optimized acta and acta-log. Go builds Tessera's conformance server and `tuned` (that server with its
settings as flags) from the module in this directory. The server runs on the first core with all its threads, the generator on the second.

First each server finds its own best number of connections (--sweep seconds each); then all run in turns, A B C A B C, each time with an
empty log, and the tables show the middle and the spread of the turns. An acknowledgement of an add is the same for all: an index, durable on
disk. What else it means differs, and is said in the table.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SERVER_CORE, LOAD_CORE = "0", "1"
CONNECTIONS = (1, 64, 256, 1024, 4096)


class Contender:
    """A server that can be started on an empty directory."""

    def __init__(self, name, meaning, command, ready):
        self.name, self.meaning, self.command, self.ready = name, meaning, command, ready

    @contextlib.contextmanager
    def running(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="compare-", dir=os.environ.get("COMPARE_DIR")))
        port = free_port()
        with open(directory / "messages", "wb") as messages:
            process = subprocess.Popen(["taskset", "-c", SERVER_CORE, *self.command(directory, port)], stdout=messages, stderr=messages)
            try:
                wait_until(lambda: answers(f"http://127.0.0.1:{port}{self.ready}") or process.poll() is not None)
                if process.poll() is not None:
                    sys.exit(f"{self.name} did not start: {(directory / 'messages').read_text()}")
                yield f"http://127.0.0.1:{port}/", process.pid
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()
                shutil.rmtree(directory, ignore_errors=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def wait_until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        if time.monotonic() > deadline:
            sys.exit("a server did not come up within 30 s")
        time.sleep(0.05)


def contenders(ours, theirs, keys):
    def acta(directory, port):
        subprocess.run([ours / "acta-log", "init", "--dir", directory / "log", "--origin", "compare.example/acta", "--admission", "open"], check=True, stdout=subprocess.DEVNULL)
        return [ours / "acta-log", "serve", "--dir", directory / "log", "--listen", f"127.0.0.1:{port}"]

    def shipped(antispam):
        def command(directory, port):
            flags = ["--antispam"] if antispam else []
            return [theirs / "posix", "--storage_dir", directory / "log", "--listen", f"127.0.0.1:{port}", "--private_key", keys / "key", *flags]
        return command

    def tuned(batch, age, antispam):
        def command(directory, port):
            flags = ["--antispam"] if antispam else ["--antispam_memory", "0"]
            return [theirs / "tuned", "--storage_dir", directory / "log", "--listen", f"127.0.0.1:{port}", "--private_key", keys / "key",
                    "--batch_size", str(batch), "--batch_age", age, "--checkpoint_interval", "100ms", "--pushback", "20000", *flags]
        return command

    durable = "durable; the tree follows"
    return [
        Contender("acta-log", "durable, in the tree, under a signed head; no double", acta, "/checkpoint"),
        Contender("Tessera POSIX as shipped", f"{durable}; doubles of late told from memory", shipped(False), "/checkpoint"),
        Contender("Tessera POSIX as shipped, antispam", f"{durable}; doubles told, but not at once", shipped(True), "/checkpoint"),
        Contender("Tessera POSIX tuned (1,024 or 50 ms)", durable + "; doubles not told", tuned(1024, "50ms", False), "/checkpoint"),
        Contender("Tessera POSIX tuned (4,096 or 100 ms)", durable + "; doubles not told", tuned(4096, "100ms", False), "/checkpoint"),
        Contender("Tessera POSIX tuned (1,024 or 50 ms), antispam", f"{durable}; doubles told, but not at once", tuned(1024, "50ms", True), "/checkpoint"),
    ]


def load(acta, url, pid, connections, seconds):
    command = ["taskset", "-c", LOAD_CORE, acta, "bench", "--log", url, "--mode", "add", "--entry-bytes", "256", "--connections", str(connections),
               "--seconds", str(seconds), "--warm-up", "2", "--server-pid", str(pid), "--json"]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if not ran.stdout:
        sys.exit(f"acta bench: {ran.stderr}")
    return json.loads(ran.stdout)


def measure(contender, acta, connections, seconds):
    with contender.running() as (url, pid):
        report = load(acta, url, pid, connections, seconds)
    report["contender"] = contender.name
    print(f"  {contender.name}, {connections} connections: {report['entries_per_second']:,.0f}/s, p99 {report['latency']['p99_us'] / 1000:,.1f} ms", file=sys.stderr)
    return report


def table(best, turns, all_contenders):
    ours = middle(turns["acta-log"])
    print("| server | connections | adds/s, middle | spread | acta-log is | p50 ms | p99 ms | p99.9 ms | server µs each | MB resident at most | an index means |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    for contender in all_contenders:
        reports = turns[contender.name]
        rates = sorted(report["entries_per_second"] for report in reports)
        report = sorted(reports, key=lambda report: report["entries_per_second"])[len(reports) // 2]
        latency, server = report["latency"], report["server"]
        ratio = "–" if contender.name == "acta-log" else f"{ours / middle(reports):.1f} ×"
        memory = (server["peak_resident_bytes"] or 0) / 1e6
        print(f"| {contender.name} | {best[contender.name]:,} | {middle(reports):,.0f} | {rates[0]:,.0f} to {rates[-1]:,.0f} | {ratio} | "
              f"{latency['p50_us'] / 1000:,.1f} | {latency['p99_us'] / 1000:,.1f} | {latency['p999_us'] / 1000:,.1f} | "
              f"{server['cpu_us_per_entry']:,.0f} | {memory:,.0f} | {contender.meaning} |")


def middle(reports):
    return statistics.median(report["entries_per_second"] for report in reports)


def sweep_table(sweeps):
    print("| server | " + " | ".join(f"{count:,}" for count in CONNECTIONS) + " |\n|---" + "|--:" * len(CONNECTIONS) + "|")
    for name, reports in sweeps.items():
        print(f"| {name} | " + " | ".join(f"{report['entries_per_second']:,.0f}" for report in reports) + " |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("programs", type=pathlib.Path)
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--sweep", type=int, default=8)
    arguments.add_argument("--turns", type=int, default=2)
    arguments.add_argument("--json", type=pathlib.Path)
    given = arguments.parse_args()
    ours = given.programs.resolve()
    with tempfile.TemporaryDirectory() as built:
        built = pathlib.Path(built)
        tools = ["./tuned", "github.com/transparency-dev/tessera/cmd/conformance/posix"]
        environment = {**os.environ, "GOTOOLCHAIN": os.environ.get("GOTOOLCHAIN", "go1.27.3"), "GOFLAGS": "-mod=readonly"}
        subprocess.run(["go", "build", "-o", f"{built}/", *tools], cwd=HERE, env=environment, check=True)
        subprocess.run([built / "tuned", "-new_key", "compare.example/tessera", "-private_key", built / "key"], check=True)
        everybody = contenders(ours, built, built)
        print("Each at several numbers of connections:", file=sys.stderr)
        sweeps = {each.name: [measure(each, ours / "acta", count, given.sweep) for count in CONNECTIONS] for each in everybody}
        best = {name: max(reports, key=lambda report: report["entries_per_second"])["connections"] for name, reports in sweeps.items()}
        print("Each at its own best, in turns:", file=sys.stderr)
        turns = {each.name: [] for each in everybody}
        for _ in range(given.turns):
            for each in everybody:
                turns[each.name].append(measure(each, ours / "acta", best[each.name], given.seconds))
    null = subprocess.run([ours / "acta", "bench", "--null", "--mode", "add", "--entry-bytes", "256", "--connections", str(best["acta-log"]), "--seconds", "5", "--json"],
                          stdout=subprocess.PIPE, text=True, check=True)
    null = json.loads(null.stdout)
    if given.json:
        given.json.write_text(json.dumps({"sweeps": sweeps, "turns": turns, "null": null}, indent=1))
    table(best, turns, everybody)
    print(f"\nThe generator's own ceiling, against a server that does nothing: {null['requests_per_second']:,.0f} requests/s.\n")
    sweep_table(sweeps)


if __name__ == "__main__":
    main()
