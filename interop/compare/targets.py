"""The table of what was aimed for, and whether it is reached."""

import statistics

from adds import middle
from witnesses import refused

MISSING = "not measured in this run"


class Row:
    """One aim: what, how much, what was reached by us and by others, the ratio, and whether that is enough (None: nobody knows)."""

    def __init__(self, what, aim, ours=MISSING, theirs="", ratio="", met=None):
        self.cells = [what, aim, ours, theirs, ratio, "–" if met is None else "**yes**" if met else "**no**"]


def rows(parts):
    """All rows; what a run has not measured, or not to its end, is said to be missing."""
    made = []
    for build in (adds, acknowledgements, receipts, deduplication, batches, statements, growth, disk, memory, audits, tiles, witnesses):
        try:
            made += build(parts)
        except (KeyError, IndexError, TypeError, ValueError, statistics.StatisticsError, StopIteration):
            made += [Row(what, aim) for what, aim in AIMS[build.__name__]]
    return made


AIMS = {
    "adds": [("durable single adds, 256 bytes, beside Tessera POSIX as shipped", "≥ 10 ×"), ("the same beside Tessera POSIX tuned", "≥ 5 ×"),
             ("the same beside our own server answering without storing", "≥ 0.5 ×")],
    "acknowledgements": [("acknowledgement at half of that load", "p50 < 2 ms, p99 < 20 ms")],
    "receipts": [("receipt under a quorum of 2 of 3 local witnesses, at half load", "p99 < 150 ms")],
    "deduplication": [("cost of strict deduplication", "< 10 %")],
    "batches": [("batches of unique 256-byte entries, on an empty log", "≥ 300,000/s"), ("the same at 10 million entries", "≥ 150,000/s")],
    "statements": [("statements: the check itself, of what `ring` verifies", "≥ 80 %"), ("statements end to end by `/add-batch`, of the same", "≥ 50 %")],
    "growth": [("single adds at 10 million entries against an empty log", "≥ 90 %")],
    "disk": [("bytes on disk after compaction, of the least possible", "≤ 1.25 ×")],
    "memory": [("resident memory under load at 10 million entries", "< 300 MB")],
    "audits": [("full audit over HTTP, 256-byte entries", "≥ 1,000,000/s"), ("the same beside Tessera's fsck", "≥ 4 ×")],
    "tiles": [("tile reads, 64 connections, warm, beside nginx", "≥ 0.8 ×")],
    "witnesses": [("witness: durable add-checkpoint, 100,000 logs", "≥ 10,000/s")],
}


def aims(name, *reached):
    return [Row(what, aim, *rest) for (what, aim), rest in zip(AIMS[name], reached, strict=True)]


def adds(parts):
    turns, ceiling = parts["adds"]["turns"], parts["adds"]["ceiling"]
    ours = middle(turns["acta-log"])

    def beside(word):
        theirs = max(middle(reports) for name, reports in turns.items() if word in name)
        return f"{ours:,.0f}/s", f"{theirs:,.0f}/s", f"{ours / theirs:.1f} ×"
    shipped, tuned = beside("shipped"), beside("tuned")
    storing_nothing = max(ceiling["head"]["requests_per_second"], ceiling["again"]["requests_per_second"])
    return aims("adds", (*shipped, float(shipped[2][:-2]) >= 10), (*tuned, float(tuned[2][:-2]) >= 5),
                (f"{ours:,.0f}/s", f"{storing_nothing:,.0f}/s (ours)", f"{ours / storing_nothing:.2f} ×", ours >= storing_nothing / 2))


def acknowledgements(parts):
    ours, *others = parts["adds"]["open"]
    best = min(others, key=lambda report: report["latency"]["p50_us"])
    p50, p99 = (ours["latency"][key] / 1000 for key in ("p50_us", "p99_us"))
    return aims("acknowledgements", (p50_p99(ours), f"{p50_p99(best)} ({best['contender']}, at half of its own)", "", p50 < 2 and p99 < 20))


def p50_p99(report):
    return f"{report['latency']['p50_us'] / 1000:,.2f} and {report['latency']['p99_us'] / 1000:,.1f} ms at {report['entries_per_second']:,.0f}/s"


def receipts(parts):
    row = next(row for row in parts["receipts"]["rows"] if row[0].startswith("half of"))
    return aims("receipts", (f"{row[3]} ms at {row[1]}/s", "", "", float(row[3].replace(",", "")) < 150))


def deduplication(parts):
    measured = parts["adds"]["deduplication"]
    each = statistics.median(report["server"]["cpu_us_per_entry"] for report in parts["adds"]["turns"]["acta-log"])
    cost = measured["both_cpu_us"] - measured["neither_cpu_us"]
    lookups = (parts.get("batches") or {}).get("lookups")
    at_full = f"; a look-up among {lookups['entries']:,} takes {lookups['cpu_us']:.2f} µs" if lookups else ""
    return aims("deduplication", (f"{cost:.2f} µs of {each:.1f} µs an add{at_full}", "", f"{100 * cost / each:.1f} %", cost < each / 10))


def batches(parts):
    measured = parts["batches"]
    empty, full = (measured[key]["entries_per_second"] for key in ("empty", "full"))
    size = measured["disk"]["entries"]
    return aims("batches", (f"{empty:,.0f}/s", "", "", empty >= 300_000), (f"{full:,.0f}/s from {size:,} on", "", "", full >= 150_000 if enough(size) else None))


def statements(parts):
    share = {rate["what"].strip(): rate for rate in parts["statements"]["rates"]}
    check, clock, cpu = share["the whole check"], share["end to end by /add-batch, by the clock"], share["end to end by /add-batch"]

    def cell(rate):
        return f"{rate['per_second']:,}/s, {rate['percent_of_ring']:.0f} %"
    ring = f"{share[next(iter(share))]['per_second']:,}/s (ring)"
    return aims("statements", (cell(check), ring, "", check["percent_of_ring"] >= 80),
                (f"{cell(clock)}; {cpu['percent_of_ring']:.0f} % by processor time", ring, "", clock["percent_of_ring"] >= 50))


def growth(parts):
    turns = parts["batches"]["adds"]
    empty, full, size = middle(turns["empty"]), middle(turns["full"]), turns["full"][0]["entries_before"]
    return aims("growth", (f"{full:,.0f}/s at {size:,}; {empty:,.0f}/s on empty", "", f"{100 * full / empty:.0f} %", full >= 0.9 * empty if enough(size) else None))


def disk(parts):
    found = parts["batches"]["disk"]
    ratio, as_it_is = found["compacted"] / found["least"], found["as_it_is"] / found["least"]
    return aims("disk", (f"{found['compacted'] / found['entries']:.0f} bytes an entry at {found['entries']:,}; {as_it_is:.2f} × before compaction", "", f"{ratio:.2f} ×",
                         ratio <= 1.25))


def memory(parts):
    measured = parts["batches"]
    batches, single = measured["full"]["server"]["peak_resident_bytes"], max(report["server"]["peak_resident_bytes"] for report in measured["adds"]["full"])
    most = max(batches, single)
    return aims("memory", (f"{batches / 1e6:.0f} MB by batches, {single / 1e6:.0f} MB by single adds", "", "",
                           most < 300e6 if enough(measured["disk"]["entries"]) else None))


def audits(parts):
    rates = {name: statistics.median(turn["entries_per_second"] for turn in turns) for name, turns in parts["audits"]["turns"].items()}
    ours = rates.pop("acta audit")
    (name, theirs), = rates.items()
    return aims("audits", (f"{ours:,.0f}/s", "", "", ours >= 1_000_000), (f"{ours:,.0f}/s", f"{theirs:,.0f}/s ({name})", f"{ours / theirs:.1f} ×", ours >= 4 * theirs))


def tiles(parts):
    rates = {name: statistics.median(report["requests_per_second"] for report in reports) for name, reports in parts["tiles"]["turns"].items()}
    ours = rates.pop("acta-log")
    name = max(rates, key=rates.get)
    gib = parts["tiles"]["tiles"] * 8192 / 2**30
    return aims("tiles", (f"{ours:,.0f}/s over {gib:.2f} GiB", f"{rates[name]:,.0f}/s ({name})", f"{ours / rates[name]:.2f} ×", ours >= 0.8 * rates[name] if gib > 0.95 else None))


def witnesses(parts):
    runs = parts["witnesses"]["runs"]

    def rate(run):
        return min(round["per_second"] for round in run["rounds"])
    ours = max((run for run in runs if run["witness"] == "acta-witness" and run["logs"] == max(run["logs"] for run in runs)), key=rate)
    theirs = max((run for run in runs if run["witness"] != "acta-witness" and not refused(run)), key=rate)
    return aims("witnesses", (f"{rate(ours):,.0f}/s, {ours['logs']:,} logs, {'one core' if ours['pinned'] else 'both cores'}",
                              f"{rate(theirs):,.0f}/s ({theirs['witness']}, {theirs['logs']:,} logs)", f"{rate(ours) / rate(theirs):.1f} ×",
                              rate(ours) >= 10_000 if ours["logs"] >= 100_000 else None))


def enough(entries):
    return entries >= 10_000_000
