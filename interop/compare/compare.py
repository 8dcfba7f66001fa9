#!/usr/bin/env python3
"""Measures our programs and those of others side by side: the same generator, the same disk, in turns, in one run.

    interop/compare/compare.py PROGRAMS [--json FILE] [--parts adds,batches,…] [--quick]

PROGRAMS is the directory of our optimized acta, acta-log and acta-witness, with the example `store` of log-server in PROGRAMS/examples. Go
builds what is others' from the modules in interop/. Servers run on the first core with all their threads and the generator on the second, but
where a part says otherwise.

What was measured goes to FILE after each step, so that a run that is cut short loses nothing; the parts of an earlier run that are not asked for
stay there. `write.py FILE` puts it into docs/benchmarks.md. Temporary files are below COMPARE_DIR, and take 25 GB.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import traceback

import adds
import audits
import batches
import receipts
import statements
import tiles
import witnesses
from machine import Failed, describe, directory, now, output, say

HERE = pathlib.Path(__file__).resolve().parent
PARTS = {"adds": adds, "batches": batches, "tiles": tiles, "audits": audits, "receipts": receipts, "witnesses": witnesses, "statements": statements}


@dataclasses.dataclass
class Pace:
    """How long things take; seconds where nothing else is said."""

    turns: int = 2
    turn: int = 60
    sweep: int = 5
    short: int = 5
    open: int = 20
    warm_up: int = 2
    tile_warm_up: int = 10
    fill: int = 240  # the most that a log is filled for
    fill_step: int = 5
    big_entries: int = 10_000_000
    tile_entries: int = 2**25  # whose full tiles are 1 GiB
    audit_entries: int = 4_000_000
    logs: int = 100_000
    statements: int = 100_000


QUICK = Pace(turns=1, turn=3, sweep=1, short=1, open=2, warm_up=0, tile_warm_up=1, fill=6, fill_step=2, big_entries=500_000, tile_entries=700_000,
             audit_entries=200_000, logs=1_000, statements=10_000)


class Context:
    """What the parts share: programs, pace, and where results go."""

    def __init__(self, programs, target, pace, results, built):
        self.programs, self.target, self.pace, self.results, self.built = programs, target, pace, results, built
        self.big_log = built / "big" / "log"
        self.big_log.parent.mkdir()

    def keep(self, part, key, value):
        measured = json.loads(self.results.read_text())
        measured["parts"].setdefault(part, {})[key] = value
        write(self.results, measured)

    def theirs(self):
        """The directory of Tessera's conformance server and of `tuned`, with a key for either."""
        if not (self.built / "key").exists():
            build(HERE, self.built, "./tuned", "github.com/transparency-dev/tessera/cmd/conformance/posix")
            output(self.built / "tuned", "-new_key", "compare.example/tessera", "-private_key", self.built / "key")
        return self.built

    def interop(self, package):
        """A program of the module that our tests with others are in."""
        build(HERE.parent, self.built, package)
        return self.built / package.rsplit("/", 1)[-1]

    def store_program(self):
        """The example `store` of log-server; None, loudly, where it was not built."""
        program = self.programs / "examples" / "store"
        if program.exists():
            return program
        say("SKIPPED: what the store is asked; cargo build --release -p log-server --example store")
        return None


def build(module, to, *packages):
    if shutil.which("go") is None:
        raise Failed("there is no go command: install Go 1.21 or later")
    environment = {**os.environ, "GOTOOLCHAIN": os.environ.get("GOTOOLCHAIN", "go1.27.3"), "GOFLAGS": "-mod=readonly -buildvcs=false"}
    output("go", "build", "-o", f"{to}/", *packages, cwd=module, env=environment)


def write(path, measured):
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(measured, indent=1, default=str))
    beside.replace(path)


def settings():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("programs", type=pathlib.Path)
    arguments.add_argument("--target", type=pathlib.Path, help="where cargo builds the benchmark of admission; by default where PROGRAMS is")
    arguments.add_argument("--json", type=pathlib.Path, default=pathlib.Path("compare.json"))
    arguments.add_argument("--parts", default=",".join(PARTS), help=f"which of {','.join(PARTS)}, in that order")
    arguments.add_argument("--minutes", type=float, default=float("inf"), help="begin no further part after so long")
    arguments.add_argument("--quick", action="store_true", help="seconds rather than minutes, to see whether all of it works")
    for field in dataclasses.fields(Pace):
        arguments.add_argument("--" + field.name.replace("_", "-"), type=int, help=f"default {field.default}")
    given = arguments.parse_args()
    pace = QUICK if given.quick else Pace()
    changed = {field.name: getattr(given, field.name) for field in dataclasses.fields(Pace) if getattr(given, field.name) is not None}
    return given, dataclasses.replace(pace, **changed)


def main():
    given, pace = settings()
    wanted = [part for part in PARTS if part in given.parts.split(",")]
    if not given.json.exists():
        write(given.json, {"parts": {}})
    failed, start = [], time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # so that servers and files are cleared away
    with directory("built") as built:
        context = Context(given.programs.resolve(), (given.target or given.programs.parent).resolve(), pace, given.json, built)
        for part in wanted:
            began = time.monotonic()
            if began - start > 60 * given.minutes:
                say(f"NOT BEGUN for want of time: {part}")
                failed.append(part)
                continue
            measured = json.loads(given.json.read_text())
            measured["machine"] = describe()
            measured["parts"][part] = {"when": now(), "pace": dataclasses.asdict(pace)}
            write(given.json, measured)
            try:
                PARTS[part].measure(context)
            except (Failed, OSError, subprocess.SubprocessError, ValueError, KeyError):
                failed.append(part)
                say(f"FAILED: {part}\n{traceback.format_exc()}")
                context.keep(part, "failed", traceback.format_exc(limit=1))
            took = time.monotonic() - began
            context.keep(part, "took_seconds", took)
            say(f"{part} took {took:.0f} s")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
