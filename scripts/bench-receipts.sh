#!/usr/bin/env bash
# Measures receipts of a log with three witnesses on this machine, two of which have to cosign, and prints the table of docs/benchmarks.md.
#
#   scripts/bench-receipts.sh [SECONDS]     for each run (10)
#
# Builds optimized programs, or takes those in the directory PROGRAMS. Log, witnesses and generator share the machine's processors; nothing is
# pinned. Each run begins with an empty log. In each pair of runs the first finds the most that comes back in a closed loop, and the second
# asks for half of that in an open loop.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/log-process.sh

EACH=${1:-10}
if [ -z "${PROGRAMS:-}" ]; then
  cargo build --release --bin acta --bin acta-log --bin acta-witness >&2
  PROGRAMS=$(scripts/target-dir.sh)/release
fi
ACTA=$PROGRAMS/acta LOG_PROGRAM=$PROGRAMS/acta-log WITNESS=$PROGRAMS/acta-witness
WORK=$(mktemp -d)
WITNESS_PIDS=()

end_witnesses() {
  local pid
  for pid in "${WITNESS_PIDS[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  WITNESS_PIDS=()
}
trap 'end_log; end_witnesses; rm -rf "$WORK"' EXIT

# start_witness NUMBER: a new one that follows the log; adds its lines to the log's policy.
start_witness() {
  local home=$WORK/w$1 line kind=ed
  "$WITNESS" init --dir "$home" --name "w$1.example" >/dev/null
  mkfifo "$home.out"
  "$WITNESS" serve --dir "$home" --listen 127.0.0.1:0 --policy "$WORK/followed" >"$home.out" 2>>"$WORK/witness.err" &
  WITNESS_PIDS+=($!)
  exec {WITNESS_OUT}<"$home.out"
  read -r -t 60 line <&"$WITNESS_OUT"
  while read -r key; do
    echo "witness w$1-$kind $key ${line#listening on }"
    kind=pq
  done <"$home/witness.vkey" >>"$WORK/log/policy"
  echo "group w$1 any w$1-ed w$1-pq" >>"$WORK/log/policy"
}

# new_log WITNESSES: an empty log, with three witnesses or with none
new_log() {
  rm -rf "$WORK"/*
  "$LOG_PROGRAM" init --dir "$WORK/log" --origin bench.example/log --admission open >/dev/null
  if [ "$1" = 3 ]; then
    { echo "log $(cat "$WORK/log/log.vkey")"; echo "quorum none"; } >"$WORK/followed"
    echo "log $(cat "$WORK/log/log.vkey")" >"$WORK/log/policy"
    start_witness 1
    start_witness 2
    start_witness 3
    { echo "group witnesses 2 w1 w2 w3"; echo "quorum witnesses"; } >>"$WORK/log/policy"
  fi
  start_log "$WORK/log" 127.0.0.1:0
  until [ "$(python3 - "$LOG_OPS_URL/readyz" <<'P'
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1]).status)
except urllib.error.HTTPError as error:
    print(error.code)
P
  )" = 200 ]; do sleep 0.1; done
}

# run WITNESSES TITLE OPTION…: prints a row; leaves the requests per second in RATE
run() {
  local witnesses=$1 title=$2
  shift 2
  new_log "$witnesses"
  "$ACTA" bench --log "$LOG_URL" --server-pid "$LOG_SERVER_PID" --seconds "$EACH" --warm-up 2 --json "$@" >"$WORK/report" || true
  python3 - "$title" "$LOG_OPS_URL/metrics" "$WORK/report" <<'P'
import json, re, sys, urllib.request

report = json.load(open(sys.argv[3]))
metrics = urllib.request.urlopen(sys.argv[2]).read().decode()
rounds = re.search(r"^acta_log_round_seconds_count (\d+)", metrics, re.M)
took = re.search(r"^acta_log_round_seconds_sum ([\d.]+)", metrics, re.M)
latency = report["latency"]
notes = [f"{count} × {kind}" for kind, count in report["errors"].items()]
if report["overloaded"]:
    notes.append(f"{report['overloaded']} × 503")
if report["open_loop"] and not report["open_loop"]["kept_up"]:
    notes.append(f"rate not kept: {report['open_loop']['late']:,} sent late, {report['open_loop']['unsent']:,} never")
cells = [sys.argv[1], f"{report['entries_per_second']:,.0f}", *(f"{latency[p] / 1000:.1f}" for p in ("p50_us", "p99_us", "p999_us"))]
cells.append(f"{float(took[1]) / max(1, int(rounds[1])) * 1000:.1f}" if rounds else "–")
cells.append(f"{int(rounds[1]):,}" if rounds else "–")
print("| " + " | ".join(cells + ["; ".join(notes)]) + " |", flush=True)
P
  RATE=$(python3 -c 'import json, sys; print(int(json.load(open(sys.argv[1]))["requests_per_second"]))' "$WORK/report")
  stop_log TERM || true
  end_witnesses
}

echo "| | receipts/s | p50 ms | p99 ms | p99.9 ms | a round, ms | rounds | |"
echo "|---|--:|--:|--:|--:|--:|--:|---|"
run 0 "no witnesses, closed loop" --mode add-receipt --connections 256
run 3 "2 of 3 witnesses, closed loop, 256 connections" --mode add-receipt --connections 256
run 3 "2 of 3 witnesses, closed loop, 1024 connections" --mode add-receipt --connections 1024
run 3 "half of that, $((RATE / 2))/s due" --mode add-receipt --connections 1024 --rate $((RATE / 2))
run 3 "2 of 3 witnesses, 100/s due" --mode add-receipt --connections 64 --rate 100
echo "$(nproc) cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)), $(date +%F), $EACH s a run, load average $(cut -d ' ' -f 1 /proc/loadavg)" >&2
