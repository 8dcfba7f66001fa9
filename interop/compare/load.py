"""Runs the generator, `acta bench`, and says what it reports."""

import json
import subprocess

from machine import LOAD_CORE, Failed, on_core, say


def load(programs, server, title, *options, seconds, warm_up=2, pinned=True):
    """The report of one run against a server, with what it cost the server."""
    command = [programs / "acta", "bench", "--log", server.url, "--server-pid", server.pid, "--seconds", seconds, "--warm-up", warm_up, *options]
    report = run(on_core(LOAD_CORE) if pinned else [], command)
    report["title"] = title
    report["command"] = report["command"].replace(server.url, "URL").replace(f" --server-pid {server.pid}", "")
    latency = report["latency"]
    say(f"  {title}: {report['entries_per_second']:,.0f}/s, p50 {latency['p50_us'] / 1000:,.2f} ms, p99 {latency['p99_us'] / 1000:,.2f} ms{in_brackets(troubles(report))}")
    return report


def null(programs, *options, seconds):
    """What the generator reaches against a server that does nothing: that one's thread on one core, its own on the other."""
    return run([], [programs / "acta", "bench", "--null", "--seconds", seconds, *options])


def run(pinned, command):
    ran = subprocess.run([*pinned, *map(str, command), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if not ran.stdout:
        raise Failed(f"acta bench: {ran.stderr[-2000:]}")
    report = json.loads(ran.stdout)
    report["command"] = " ".join([*pinned, "acta", *map(str, command[1:])])
    return report


def troubles(report):
    """What a figure must not be read without, one by one."""
    notes = [f"{count:,} × {kind}" for kind, count in report["errors"].items()]
    if report["overloaded"]:
        notes.append(f"{report['overloaded']:,} × 503")
    if report["refused_entries"]:
        notes.append(f"{report['refused_entries']:,} refused")
    if report["open_loop"] and not report["open_loop"]["kept_up"]:
        notes.append(f"rate not kept: {report['open_loop']['late']:,} sent late, {report['open_loop']['unsent']:,} never")
    if report["generator"]["busy"] > 0.9:
        notes.append("generator at its limit")
    return notes


def in_brackets(notes):
    return " (" + "; ".join(notes) + ")" if notes else ""
