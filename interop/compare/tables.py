"""The tables of each part, in Markdown."""

import statistics

from adds import CONNECTIONS, middle
from load import troubles


def table(headings, rows):
    """A table; headings that begin with > are of numbers."""
    lines = ["| " + " | ".join(heading.lstrip(">") for heading in headings) + " |",
             "|" + "".join("--:|" if heading.startswith(">") else "---|" for heading in headings)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


LOAD = [">p50 ms", ">p99 ms", ">p99.9 ms", ">server µs each", ">server's processor s", ">MB written", ">MB resident at most", ""]


def cost(report):
    latency, server = report["latency"], report["server"]
    return [*(f"{latency[key] / 1000:,.2f}" for key in ("p50_us", "p99_us", "p999_us")), f"{server['cpu_us_per_entry']:,.1f}", f"{server['cpu_seconds']:,.1f}",
            megabytes(server["written_bytes"]), megabytes(server["peak_resident_bytes"]), "; ".join(troubles(report))]


def megabytes(count):
    return "–" if count is None else f"{count / 1e6:,.0f}"


def middle_report(reports):
    return sorted(reports, key=lambda report: report["entries_per_second"])[len(reports) // 2]


def spread(values):
    return f"{min(values):,.0f} to {max(values):,.0f}"


def adds(part):
    best, ours = part["best"], middle(part["turns"]["acta-log"])
    rows = []
    for name, reports in part["turns"].items():
        rows.append([name, f"{best[name]:,}", f"{middle(reports):,.0f}", spread([report["entries_per_second"] for report in reports]),
                     "–" if name == "acta-log" else f"{ours / middle(reports):.1f} ×", *cost(middle_report(reports)), part["meanings"][name]])
    first = part["turns"]["acta-log"][0]
    yield (f"Each at its own best number of connections, {len(part['turns']['acta-log'])} turns of {first['seconds']:.0f} s, each turn on an empty log. "
           f"The generator: `{first['command']}`, with the number of connections below.")
    yield table(["server", ">connections", ">adds/s, middle", ">spread", ">acta-log is", *LOAD, "an index means"], rows)
    yield "How each takes several numbers of connections (adds/s). One connection waits for each answer: that column shows latency, and counts for nothing else."
    yield table(["server", *(f">{count:,}" for count in CONNECTIONS)],
                [[name, *(f"{report['entries_per_second']:,.0f}" for report in reports)] for name, reports in part["sweeps"].items()])
    yield from adds_otherwise(part)


def adds_otherwise(part):
    yield "One connection, by latency:"
    yield table(["server", ">p50 ms", ">p99 ms"], [[name, *(f"{reports[0]['latency'][key] / 1000:,.2f}" for key in ("p50_us", "p99_us"))] for name, reports in part["sweeps"].items()])
    if "variants" in part:
        yield "Other entries, at the same numbers of connections:"
        yield table(["entries", "server", ">adds/s", *LOAD], [[report["kind"], report["contender"], f"{report['entries_per_second']:,.0f}", *cost(report)] for report in part["variants"]])
    if "open" in part:
        yield "At half of each server's own best rate, sent when due; latency counts from then:"
        yield table(["server", ">due/s", ">adds/s", *LOAD], [[report["contender"], f"{middle(part['turns'][report['contender']]) / 2:,.0f}", f"{report['entries_per_second']:,.0f}", *cost(report)]
                                                            for report in part["open"]])
    if "syncs" in part:
        yield "Calls that make data durable, counted by `strace` in a run of their own, which it slows:"
        yield table(["server", ">connections", ">acknowledged", ">calls", ">acknowledged a call", "which"], [sync_row(row) for row in part["syncs"]])
    if "ceiling" in part:
        yield "What our own server and the generator do when nothing is stored, under as many connections:"
        yield table(["", ">requests/s"], [["acta-log, reading the head", f"{part['ceiling']['head']['requests_per_second']:,.0f}"],
                                          ["acta-log, adding what it has", f"{part['ceiling']['again']['requests_per_second']:,.0f}"],
                                          ["a server that does nothing (`acta bench --null`)", f"{part['ceiling']['null']['requests_per_second']:,.0f}"]])
    if part.get("deduplication"):
        measured = part["deduplication"]
        yield (f"There is no switch in `acta-log` that lets an entry in twice, so what that costs is measured in the store by itself (`store index`, an example of log-server). "
               f"Commits of 128 entries, RocksDB's own work included, take {measured['neither_cpu_us']:.2f} µs of processor time an entry; "
               f"{measured['index_cpu_us']:.2f} µs with the index of hashes, which also finds proofs by hash; {measured['both_cpu_us']:.2f} µs with each looked up in it as well.")


def sync_row(row):
    calls = sum(row["calls"].values())
    return [row["contender"], f"{row['connections']:,}", f"{row['acknowledged']:,}", f"{calls:,}", f"{row['acknowledged'] / max(1, calls):,.1f}",
            ", ".join(f"{count:,} {name}" for name, count in sorted(row["calls"].items()))]


def batches(part):
    rows = [[f"{report['connections']} connections, {report['batch']:,} a batch", "empty", f"{report['seconds']:.0f}", f"{report['entries_per_second']:,.0f}", *cost(report)] for report in part["shapes"]]
    entries = part["disk"]["entries"]
    for key, state in (("empty", "empty"), ("full", f"{entries:,} entries")):
        if key in part:
            report = part[key]
            rows.append([f"**{report['connections']} connections, {report['batch']:,} a batch**", state, f"{report['seconds']:.0f}", f"{report['entries_per_second']:,.0f}", *cost(report)])
    yield f"The generator: `{part['empty']['command']}`."
    yield table(["batches of 256-byte entries", "log at first", ">seconds", ">entries/s", *LOAD], rows)
    for key, reports in part.get("adds", {}).items():
        rates = [report["entries_per_second"] for report in reports]
        state = "an empty log" if key == "empty" else f"{reports[0]['entries_before']:,} entries"
        yield f"Single adds over 256 connections, {state}: {statistics.median(rates):,.0f}/s ({spread(rates)})."
    found = part["disk"]
    compacted = "" if found["compacted"] is None else f", and {found['compacted'] / found['least']:.2f} × after all tables were rewritten once, which took {found['seconds']:.0f} s"
    yield (f"The store of {entries:,} entries takes {found['as_it_is'] / 1e9:.2f} GB, {found['as_it_is'] / found['least']:.2f} × the least (an entry, 32 bytes of hash, 40 "
           f"of index){compacted}.")
    if "start" in part:
        yield f"From starting the server to its first answer, with {part['start']['entries']:,} entries: " + ", ".join(
            f"{seconds:.2f} s after {after}" for after, seconds in part["start"].items() if after != "entries") + "."


def tiles(part):
    gib = part["tiles"] * 8192 / 2**30
    yield (f"{part['tiles']:,} full tiles, {gib:.2f} GiB, any with the same chance; the server on one core, {part['nginx'].removeprefix('nginx version: ')} with one process, "
           f"sendfile, no access log; where files are kept open, as many as the system lets one process have. The generator: `{part['turns']['acta-log'][0]['command']}`.")
    headings = [heading.replace("each", "a read") for heading in LOAD]
    yield table(["server", ">tiles/s, middle", ">spread", *headings], [[name, f"{middle(reports):,.0f}", spread([report["entries_per_second"] for report in reports]), *cost(middle_report(reports))]
                                                                     for name, reports in part["turns"].items()])


def audits(part):
    yield (f"{part['entries']['entries']:,} entries of {part['entries']['bytes']} bytes, served by our log's server; server and reader share both cores. Workers of fsck tried: "
           + ", ".join(f"{workers} ({tried['entries_per_second']:,.0f}/s)" for workers, tried in part["workers"].items()) + ".")
    rows = []
    for name, turns in part["turns"].items():
        rates = [turn["entries_per_second"] for turn in turns]
        rows.append([name, f"{statistics.median(rates):,.0f}", spread(rates), f"`{turns[0]['command']}`"])
    yield table(["", ">entries/s, middle", ">spread", "command"], rows)


def receipts(part):
    yield "`scripts/bench-receipts.sh`; log, three witnesses and generator share both cores."
    yield table(["", *(">" + heading for heading in part["headings"][1:-1]), ""], part["rows"])


def witnesses(part):
    yield ("`witnessload load` of `interop/`, for all the same; each log is cosigned for the first time, and then again with a proof (first / again). Ed25519 only; all answer "
           "once it is on disk. On one core the generator has the other; both are shared with it.")
    rows = []
    for run in part["runs"]:
        done = run["rounds"]
        told_off = ", ".join(f"{count:,} × {status}" for each in done for status, count in each["refused"].items())
        rows.append([run["witness"], f"{run['logs']:,}", run["connections"], "one" if run["pinned"] else "both", *(
            " / ".join(format(each[key], form) for each in done) for key, form in (("per_second", ",.0f"), ("p50_ms", ",.1f"), ("p99_ms", ",.1f"))),
            f"{run['server_us_each']:,.0f}", megabytes(run["peak_resident_bytes"]), told_off])
    yield table(["witness", ">logs", ">connections", "cores", ">a second", ">p50 ms", ">p99 ms", ">server µs each", ">MB resident at most", "refused"], rows)


def statements(part):
    yield "`cargo bench -p log-server --bench admission`, for each second of processor time but for the last row."
    yield table(["", ">statements/s", ">of ring"], [[rate["what"], f"{rate['per_second']:,}", f"{rate['percent_of_ring']:.0f} %"] for rate in part["rates"]])
