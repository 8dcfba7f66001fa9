#!/usr/bin/env bash
# Measures adding and reading, and prints the tables of docs/benchmarks.md.
#
#   scripts/bench.sh [SECONDS]     for each run (10)
#
# Builds optimized programs, or takes those in the directory PROGRAMS. The server is pinned to the first core and the generator to the
# second; each run of the server is followed by one of the generator against a server that does nothing, so that a busy machine shows in
# both. Every run of single adds begins with an empty log. The reports go to RESULTS (a file of JSON lines) too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/log-process.sh

EACH=${1:-10}
if [ -z "${PROGRAMS:-}" ]; then
  cargo build --release --bin acta --bin acta-log >&2
  PROGRAMS=$(scripts/target-dir.sh)/release
fi
ACTA=$PROGRAMS/acta LOG_PROGRAM=$PROGRAMS/acta-log
RESULTS=${RESULTS:-$(scripts/target-dir.sh)/bench.jsonl}
WORK=$(mktemp -d)
trap 'end_log; rm -rf "$WORK"' EXIT
: >"$RESULTS"
if [ "$(nproc)" -lt 2 ]; then
  echo "this machine has one core; the server and the generator share it" >&2
  ON_SERVER_CORE=() ON_LOAD_CORE=()
else
  ON_SERVER_CORE=(taskset -c 0) ON_LOAD_CORE=(taskset -c 1)
fi

new_log() {
  rm -rf "$WORK/log"
  "$LOG_PROGRAM" init --dir "$WORK/log" --origin bench.example/log --admission open >/dev/null
  start_log "$WORK/log" 127.0.0.1:0 "${ON_SERVER_CORE[@]}"
}

# keep TABLE TITLE: adds a report from standard input to the results
keep() { python3 -c 'import json, sys; print(json.dumps({"table": sys.argv[1], "title": sys.argv[2], **json.load(sys.stdin)}))' "$@" >>"$RESULTS"; }

# load TABLE TITLE OPTION…: a run against the log that is there, then one against nothing
load() {
  local table=$1 title=$2
  shift 2
  echo "$title" >&2
  "${ON_LOAD_CORE[@]}" "$ACTA" bench --log "$LOG_URL" --server-pid "$LOG_SERVER_PID" --seconds "$EACH" --warm-up 2 "$@" --json | keep "$table" "$title"
  # Unpinned: it needs a core for each of its two threads.
  "$ACTA" bench --null --seconds 3 "$@" --json | keep null "$title"
}

# adds TABLE TITLE OPTION…: a run against an empty log
adds() {
  new_log
  load "$@"
  stop_log TERM
}

for connections in 1 64 256 1000; do
  adds add "connections: $connections" --mode add --connections "$connections" --entry-bytes 256
done
adds add "256 connections, 10 % duplicates" --mode add --connections 256 --entry-bytes 256 --duplicates 10
for bytes in 32 1024 4096; do
  adds add "256 connections, $bytes bytes" --mode add --connections 256 --entry-bytes "$bytes"
done
half=$(python3 - "$RESULTS" <<'P'
import json, sys
print(int(max(r["requests_per_second"] for r in map(json.loads, open(sys.argv[1])) if r["table"] == "add" and r["entry_bytes"] == 256) / 2))
P
)
adds open "half of the best rate, $half/s due" --mode add --connections 256 --entry-bytes 256 --rate "$half"
adds open "one and a half times the best rate, $((3 * half))/s due" --mode add --connections 256 --entry-bytes 256 --rate $((3 * half))

new_log
load batch "16 connections, 256 a batch" --mode add-batch --connections 16 --entry-bytes 256 --batch 256
load batch "4 connections, 4,096 a batch" --mode add-batch --connections 4 --entry-bytes 256 --batch 4096
load read "tiles, 64 connections" --mode tile --connections 64
load read "bundles, 64 connections" --mode bundle --connections 64
load read "proofs, 64 connections" --mode proof --connections 64
load read "checkpoint, 64 connections" --mode checkpoint --connections 64
stop_log TERM

echo "$(nproc) cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)), $(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo) GiB, $(date +%F), $EACH s a run, load average $(cut -d ' ' -f 1 /proc/loadavg)"
PYTHONPATH=interop/compare python3 -B - "$RESULTS" <<'P'
import json, sys

from load import troubles

reports = [json.loads(line) for line in open(sys.argv[1])]
null = {report["title"]: report for report in reports if report["table"] == "null"}
HEADINGS = {
    "add": "Single adds, closed loop",
    "open": "Single adds, open loop",
    "batch": "Batches, closed loop",
    "read": "Reads, closed loop",
}


def row(report):
    latency, server, generator = report["latency"], report["server"], report["generator"]
    ceiling = null[report["title"]]["requests_per_second"]
    return [
        report["title"],
        f"{report['entries_per_second']:,.0f}",
        *(f"{latency[p] / 1000:.2f}" for p in ("p50_us", "p99_us", "p999_us")),
        f"{server['cpu_us_per_entry']:.1f}",
        f"{generator['cpu_us_per_request']:.1f}",
        f"{server['peak_resident_bytes'] / 2**20:.0f}",
        "–" if report["open_loop"] else f"{ceiling:,.0f}",
        "–" if report["open_loop"] else f"{report['requests_per_second'] / ceiling:.2f}",
        "; ".join(troubles(report)),
    ]


for table, heading in HEADINGS.items():
    what = "things read/s" if table == "read" else "entries/s"
    columns = ["", what, "p50 ms", "p99 ms", "p99.9 ms", "server µs each", "generator µs a request", "server MiB at most", "null requests/s", "share of null", ""]
    print(f"\n**{heading}**\n")
    print("| " + " | ".join(columns) + " |\n|---" + "|--:" * 9 + "|---|")
    for report in reports:
        if report["table"] == table:
            print("| " + " | ".join(row(report)) + " |")
P
