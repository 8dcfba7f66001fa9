"""Single adds: our log and Tessera's POSIX log, at their own best of several numbers of connections, in turns."""

import signal
import statistics
import tempfile

from load import load, null
from machine import output, say
from servers import SYNCS, log_contender, tessera_contenders

CONNECTIONS = (1, 64, 256, 1024, 4096)
SIZES = (32, 1024, 4096)


def measure(context):
    programs, pace, keep = context.programs, context.pace, context.keep
    ours, theirs = log_contender(programs), tessera_contenders(context.theirs())
    everybody = [ours, *theirs]
    keep("adds", "meanings", {each.name: each.meaning for each in everybody})

    say("Adds: each at several numbers of connections")
    sweeps = {}
    for each in everybody:
        sweeps[each.name] = [one(context, each, count, pace.sweep) for count in CONNECTIONS]
        keep("adds", "sweeps", sweeps)
    best = {name: best_of(reports) for name, reports in sweeps.items()}
    finalists = [ours, *best_of_each_kind(theirs, best)]
    keep("adds", "best", {name: report["connections"] for name, report in best.items()})

    say("Adds: each at its own best, in turns")
    turns = {each.name: [] for each in finalists}
    for _ in range(pace.turns):
        for each in finalists:
            turns[each.name].append(one(context, each, best[each.name]["connections"], pace.turn))
            keep("adds", "turns", turns)

    say("Adds: other entries")
    kinds = [(f"{size:,} bytes", ["--entry-bytes", size]) for size in SIZES] + [("256 bytes, 10 % sent before", ["--entry-bytes", 256, "--duplicates", 10])]
    variants = []
    for kind, options in kinds:
        for each in finalists:
            variants.append({"kind": kind, "contender": each.name} | one(context, each, best[each.name]["connections"], pace.short, options))
            keep("adds", "variants", variants)

    say("Adds: half of the best rate, sent when due")
    opened = []
    for each in finalists:
        rate = max(1, int(middle(turns[each.name]) / 2))
        opened.append(one(context, each, best[each.name]["connections"], pace.open, ["--entry-bytes", 256, "--rate", rate]))
        keep("adds", "open", opened)

    say("Adds: syncs counted")
    keep("adds", "syncs", [syncs(context, each, best[each.name]["connections"]) for each in finalists])
    keep("adds", "ceiling", ceiling(context, ours, best[ours.name]["connections"]))
    keep("adds", "deduplication", deduplication(context))


def one(context, contender, connections, seconds, options=("--entry-bytes", 256)):
    with contender.running() as server:
        report = load(context.programs, server, f"{contender.name}, {connections} connections", "--mode", "add", "--connections", connections, *options,
                      seconds=seconds, warm_up=context.pace.warm_up)
    return report | {"contender": contender.name}


def best_of(reports):
    """The fastest of a sweep. One connection in a closed loop shows latency, not throughput, so it is none."""
    return max((report for report in reports if report["connections"] > 1), key=lambda report: report["entries_per_second"])


def best_of_each_kind(theirs, best):
    """The fastest as shipped and the fastest tuned, each with and without antispam: these are measured long. A short sweep cannot tell which of both is."""
    kinds = {}
    for each in theirs:
        kind = ("shipped" if "shipped" in each.name else "tuned", "antispam" in each.name)
        if kind not in kinds or best[each.name]["entries_per_second"] > best[kinds[kind].name]["entries_per_second"]:
            kinds[kind] = each
    return list(kinds.values())


def middle(reports):
    return statistics.median(report["entries_per_second"] for report in reports)


def syncs(context, contender, connections):
    """How many calls make data durable in a run of its own, traced, for each acknowledgement. Tracing slows each of them."""
    with tempfile.NamedTemporaryFile("r") as counted:
        with contender.running(under=[*SYNCS, "-o", counted.name]) as server:
            report = load(context.programs, server, f"{contender.name}, traced", "--mode", "add", "--connections", connections, "--entry-bytes", 256,
                          seconds=context.pace.short, warm_up=0)
            server.end(signal.SIGTERM)
        rows = [line.split() for line in counted.read().splitlines() if line.strip() and line.split()[0].replace(".", "").isdigit()]
    calls = {row[-1]: int(row[3]) for row in rows if row[-1] != "total"}
    return {"contender": contender.name, "connections": connections, "acknowledged": report["entries"], "calls": calls}


def ceiling(context, ours, connections):
    """What our own server answers without storing anything, on the same core: its head, and entries that it has."""
    programs, pace = context.programs, context.pace
    common = ["--connections", connections, "--entry-bytes", 256]
    say("Adds: our server answering without storing")
    with ours.running() as server:
        heads = load(programs, server, "reading the head", "--mode", "checkpoint", *common, seconds=pace.short, warm_up=pace.warm_up)
        load(programs, server, "entries that come again", "--mode", "add", "--seed", 7, *common, seconds=2 * pace.short, warm_up=0)
        again = load(programs, server, "adding them again", "--mode", "add", "--seed", 7, *common, seconds=pace.short / 2, warm_up=0)
    alone = null(programs, "--mode", "add", *common, seconds=pace.short)
    return {"head": heads, "again": again, "null": alone}


def deduplication(context):
    """What telling doubles costs in our store, measured by itself since it cannot be switched off; None without the program for it."""
    import json
    from machine import directory
    program = context.store_program()
    if program is None:
        return None
    with directory("index") as home:
        return json.loads(output(program, "index", home / "store"))
