"""Batches into our log, on empty and with millions of entries in it; what it then takes of memory and disk, and how long it takes to start."""

import json
import os
import shutil
import signal
import time
import urllib.request

from load import load
from machine import SERVER_CORE, on_core, output, say, size_on_disk
from servers import free_port, log_contender, new_log, serve_log, started

SHAPES = ((16, 256), (8, 1024), (4, 4096), (8, 4096))
ENTRY = 256
# What an entry must take at least: itself, its hash in a tile, and its row in the index of hashes.
LEAST = ENTRY + 32 + 40


def measure(context):
    programs, pace, keep = context.programs, context.pace, context.keep
    say("Batches: which are the fastest")
    shapes = []
    for shape in SHAPES:
        with log_contender(programs).running() as server:
            shapes.append(batches(context, server, shape, pace.short))
    keep("batches", "shapes", shapes)
    best = max(shapes, key=lambda report: report["entries_per_second"])
    shape = (best["connections"], best["batch"])

    home = context.big_log
    shutil.rmtree(home, ignore_errors=True)
    new_log(programs, home)
    say("Batches: on empty")
    with serving(context, home) as server:
        keep("batches", "empty", batches(context, server, shape, pace.turn, warm_up=0))
        fill(context, server, pace.big_entries, shape, pace.fill)
        entries = size_of(server)
    say(f"Batches: {entries:,} entries; disk and start")
    keep("batches", "disk", disk(context, home, entries))
    keep("batches", "start", starts(context, home, entries))
    say("Batches: with those entries in the log")
    with serving(context, home) as server:
        keep("batches", "full", batches(context, server, shape, pace.turn / 2))
    keep("batches", "lookups", lookups(context, home))
    say("Single adds: on empty and with those entries in the log, in turns")
    turns = {"empty": [], "full": []}
    for _ in range(pace.turns):
        with log_contender(programs).running() as server:
            turns["empty"].append(adds(context, server, "on empty"))
        with serving(context, home) as server:
            turns["full"].append(adds(context, server, "full") | {"entries_before": entries})
        keep("batches", "adds", turns)


def serving(context, home, under=tuple(on_core(SERVER_CORE))):
    port = free_port()
    return started("acta-log", serve_log(context.programs, home, port), port, under=under, how=signal.SIGTERM)


def batches(context, server, shape, seconds, warm_up=None):
    connections, batch = shape
    return load(context.programs, server, f"{connections} connections, {batch:,} a batch", "--mode", "add-batch", "--connections", connections, "--batch", batch,
                "--entry-bytes", ENTRY, seconds=max(1, int(seconds)), warm_up=context.pace.warm_up if warm_up is None else warm_up) | {"connections": connections}


def adds(context, server, title):
    return load(context.programs, server, title, "--mode", "add", "--connections", 256, "--entry-bytes", ENTRY, seconds=2 * context.pace.short,
                warm_up=context.pace.warm_up)


def size_of(server):
    with urllib.request.urlopen(server.url + "checkpoint") as head:
        return int(head.read().split(b"\n")[1])


def fill(context, server, wanted, shape, seconds, entry_bytes=ENTRY):
    """Adds batches until the log has so many entries, or for so long. Nothing is measured."""
    began = time.monotonic()
    while size_of(server) < wanted and time.monotonic() - began < seconds:
        load(context.programs, server, f"filling, {size_of(server):,} of {wanted:,}", "--mode", "add-batch", "--connections", shape[0], "--batch", shape[1],
             "--entry-bytes", entry_bytes, seconds=context.pace.fill_step, warm_up=0, pinned=False)


def disk(context, home, entries):
    """Bytes of the store of a log that has stopped: as it is, and after all tables were rewritten once in a copy of it."""
    found = {"entries": entries, "least": entries * LEAST, "as_it_is": size_on_disk(home / "db"), "compacted": None}
    program = context.store_program()
    if program is not None:
        copy = home.with_name("compacted")
        shutil.copytree(home, copy)
        began = time.monotonic()
        output(program, "compact", copy)
        found |= {"compacted": size_on_disk(copy / "db"), "seconds": time.monotonic() - began}
        shutil.rmtree(copy)
        os.sync()
    return found


def starts(context, home, entries):
    """Seconds from starting the server to its first answer, after a clean stop and after a kill."""
    took = {"entries": entries}
    for after, how in (("a clean stop", signal.SIGKILL), ("a kill", signal.SIGTERM)):
        port, began = free_port(), time.monotonic()
        with started("acta-log", serve_log(context.programs, home, port), port, under=on_core(SERVER_CORE), how=how) as server:
            took[after] = time.monotonic() - began
            if how == signal.SIGKILL:  # what is in its write-ahead log alone is what the next start has to recover
                batches(context, server, (8, 1024), 2, warm_up=0)
    return took


def lookups(context, home):
    program = context.store_program()
    return None if program is None else json.loads(output(program, "lookups", home))
