"""Reading and checking all of a log over HTTP: `acta audit` and Tessera's fsck, on the same log of ours."""

import json
import re
import subprocess
import time

from batches import ENTRY, fill, new_log, serving, size_of
from machine import Failed, directory, say

WORKERS = (4, 20, 64)


def measure(context):
    pace, keep = context.pace, context.keep
    fsck = context.interop("github.com/transparency-dev/tessera/cmd/fsck")
    with directory("audit") as home:
        log = new_log(context.programs, home / "log")
        say("Audit: making the log")
        with serving(context, log, under=()) as server:
            fill(context, server, pace.audit_entries, (8, 4096), pace.fill)
            entries = size_of(server)
            keep("audits", "entries", {"entries": entries, "bytes": ENTRY})
            ours = [context.programs / "acta", "audit", "--log", server.url, "--policy", log / "policy", "--json"]
            theirs = [fsck, "-storage_url", server.url, "-public_key", log / "log.vkey", "-ui=false", "-N"]
            tried = {workers: timed(f"fsck, {workers} workers", [*theirs, workers], entries, checked_by_fsck) for workers in WORKERS}
            keep("audits", "workers", tried)
            workers = max(tried, key=lambda workers: tried[workers]["entries_per_second"])
            turns = {"acta audit": [], f"fsck, {workers} workers": []}
            for turn in range(pace.turns):
                for name, command, checked in zip(turns, ([*ours, "--state", home / f"state{turn}"], [*theirs, workers]), (checked_by_us, checked_by_fsck)):
                    turns[name].append(timed(name, command, entries, checked))
                keep("audits", "turns", turns)


def timed(name, command, entries, checked):
    began, ran = time.monotonic(), subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    took = time.monotonic() - began
    if ran.returncode or not checked(ran):
        raise Failed(f"{name}: {ran.returncode}, {ran.stdout[-1000:]}{ran.stderr[-1000:]}")
    say(f"  {name}: {entries / took:,.0f} entries/s")
    return {"entries_per_second": entries / took, "seconds": took, "command": shown(command)}


def shown(command):
    """A command without where things were on the machine that ran it."""
    return " ".join(re.sub(r"^http://.*|^/.*/", lambda found: "URL" if found[0].startswith("http") else "", str(word)) for word in command)


def checked_by_fsck(ran):
    return "Successfully fsck'd" in ran.stderr  # its status is 0 for a broken log too


def checked_by_us(ran):
    return json.loads(ran.stdout) is not None
