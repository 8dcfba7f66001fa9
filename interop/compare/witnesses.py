"""Witnesses: how many heads a second ours, litewitness and omniwitness cosign, durably, asked by the same program."""

import contextlib
import json
import os
import pathlib
import subprocess

from machine import LOAD_CORE, SERVER_CORE, Failed, directory, on_core, output, say
from servers import free_port, started

CONNECTIONS = (1, 16, 64)
# More than either of the others cosigns in the time that it is given; signing ahead of time takes longer than asking.
LOGS_OF_OTHERS = 20_000


def measure(context):
    programs, pace, keep = context.programs, context.pace, context.keep
    driver = context.interop("./witnessload")
    litewitness = context.interop("filippo.io/torchwood/cmd/litewitness")
    few = min(pace.logs, LOGS_OF_OTHERS)
    runs = []

    def one(name, running, logs, connections, pinned, longest=pace.short):
        with running(driver, logs, on_core(SERVER_CORE) if pinned else []) as server:
            runs.append(ask(driver, name, server, logs, connections, pinned, longest))
        keep("witnesses", "runs", runs)

    others = {
        "litewitness": lambda *rest: lite(litewitness, *rest),
        "omniwitness": lambda *rest: omni(1000, *rest),  # as its program is shipped: what finds the database busy is refused
        "omniwitness, one connection to its database": lambda *rest: omni(1, *rest),
    }
    for name, running in others.items():
        for connections in CONNECTIONS:
            one(name, running, few, connections, True)
        best = max((run for run in runs if run["witness"] == name and not refused(run)), key=lambda run: run["rounds"][0]["per_second"])
        one(name, running, few, best["connections"], False)
    if not (programs / "acta-witness").exists():
        raise Failed("there is no acta-witness beside acta")
    for logs, pinned in ((1_000, True), (pace.logs, True), (pace.logs, False)):
        one("acta-witness", lambda *rest: acta(programs, *rest), min(logs, pace.logs), 256, pinned, 4 * pace.short)


def ask(driver, name, server, logs, connections, pinned, longest):
    before = processor_time(server.pid)
    rounds = json.loads(output(*(on_core(LOAD_CORE) if pinned else []), driver, "load", "-address", server.url.split("/")[2], "-logs", logs, "-connections", connections,
                               "-seconds", longest))
    cosigned = sum(round["cosigned"] for round in rounds)
    for round in rounds:
        told_off = f", refused {round['refused']}" if round["refused"] else ""
        say(f"  {name}, {logs:,} logs, {connections} connections{'' if pinned else ', both cores'}, {round['from_size']} to {round['to_size']}: "
            f"{round['per_second']:,.0f}/s, p99 {round['p99_ms']:,.1f} ms{told_off}")
    return {"witness": name, "logs": logs, "connections": connections, "pinned": pinned, "rounds": rounds,
            "server_us_each": (processor_time(server.pid) - before) * 1e6 / max(1, cosigned), "peak_resident_bytes": most_memory(server.pid)}


def refused(run):
    return any(round["refused"] for round in run["rounds"])


def processor_time(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_memory(pid):
    return next(int(line.split()[1]) * 1024 for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))


@contextlib.contextmanager
def acta(programs, driver, logs, under):
    with directory("witness") as home:
        output(programs / "acta-witness", "init", "--dir", home / "w", "--name", "witness.example/w", "--ed25519-only")
        (home / "logs").mkdir()
        output(driver, "policies", "-path", home / "logs", "-logs", logs)
        port = free_port()
        command = [programs / "acta-witness", "serve", "--dir", home / "w", "--listen", f"127.0.0.1:{port}", "--policy", home / "logs"]
        with started("acta-witness", command, port, "/", under) as server:
            yield server


@contextlib.contextmanager
def omni(connections, driver, logs, under):
    with directory("witness") as home:
        port = free_port()
        command = [driver, "omniwitness", "-address", f"127.0.0.1:{port}", "-path", home / "db", "-logs", logs, "-connections", connections]
        with started("omniwitness", command, port, "/", under) as server:
            yield server


@contextlib.contextmanager
def lite(program, driver, logs, under):
    with directory("w") as home:
        agent = subprocess.Popen([driver, "agent", "-path", home / "s"], stdout=subprocess.PIPE, text=True)
        try:
            fingerprint, port = agent.stdout.readline().strip(), free_port()
            command = [program, "-name", "litewitness.example/w", "-key", fingerprint, "-ssh-agent", home / "s", "-db", home / "db", "-listen", f"127.0.0.1:{port}"]
            with started("litewitness", command, port, "/", under) as server:
                output(driver, "follow", "-path", home / "db", "-logs", logs)
                yield server
        finally:
            agent.kill()
            agent.wait()
            agent.stdout.close()
