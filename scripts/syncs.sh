#!/usr/bin/env bash
# Shows what acknowledgements cost: how many syncs and how much processor time for each add, under many connections.
#
#   scripts/syncs.sh [SECONDS]     for each run (10)
#
# 1. With each sync delayed by 5 ms, as on a slow disk: commits grow, and syncs fall below 1 in 50 adds. Fails if they do not.
# 2. With the disk as it is, counted in the same way.
# 3. With the disk as it is and no strace: processor time; syncs follow from the commits counted by the server, two for each.
#
# A commit takes two syncs: of the store's write-ahead log and of the anchor. The store syncs other files when it makes new tables; they
# are listed apart. PROFILE=release takes optimized programs; CONNECTIONS=n other than 1,000. They must have been built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/log-process.sh

EACH=${1:-10}
CONNECTIONS=${CONNECTIONS:-1000}
PROGRAMS=$(scripts/target-dir.sh)/${PROFILE:-debug}
ACTA=$PROGRAMS/acta LOG_PROGRAM=$PROGRAMS/acta-log
WORK=$(mktemp -d)
trap 'end_log; rm -rf "$WORK"' EXIT
ulimit -n $((2 * CONNECTIONS + 512)) 2>/dev/null || true
TICKS=$(getconf CLK_TCK)
# Every call that makes data durable, so that none goes uncounted; only these stop the server (seccomp), all else runs at full speed.
TRACE=(strace -f -y -qq --seccomp-bpf -e trace=fdatasync,fsync,sync_file_range,msync,sync,syncfs)

size() { curl -sf "$LOG_URL/checkpoint" | sed -n 2p; }
metric() { curl -sf "$LOG_OPS_URL/metrics" | awk -v name="$1" '$1 == name { print $2 }'; }
cpu_ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$LOG_SERVER_PID/stat"; }

# measure TITLE PREFIX…: sets ADDS, COMMITS, CPU (microseconds for each add), RATE
measure() {
  local title=$1 before ticks begun
  shift
  rm -rf "$WORK/log"
  "$LOG_PROGRAM" init --dir "$WORK/log" --origin syncs.example/log --admission open >/dev/null
  : >"$WORK/trace"
  start_log "$WORK/log" 127.0.0.1:0 "$@"
  begun=$(wc -l <"$WORK/trace") # what the start took is not the adds'
  before=$(size) ticks=$(cpu_ticks)
  "$ACTA" bench --log "$LOG_URL" --mode add --connections "$CONNECTIONS" --seconds "$EACH" --entry-bytes 256 --json >"$WORK/bench.json"
  ADDS=$(($(size) - before))
  CPU=$(awk -v t=$(($(cpu_ticks) - ticks)) -v hz="$TICKS" -v n="$ADDS" 'BEGIN { printf "%.1f", t / hz / n * 1e6 }')
  COMMITS=$(metric acta_log_commit_entries_count)
  tail -n +$((begun + 1)) "$WORK/trace" >"$WORK/counted"
  stop_log TERM
  "$LOG_PROGRAM" fsck --dir "$WORK/log" >/dev/null
  printf '\n%s\n' "$title"
  python3 - "$WORK/bench.json" <<'P'
import json, sys
report = json.load(open(sys.argv[1]))
latency = report["latency"]
print(f"  adds              {report['entries']} acknowledged, {report['entries_per_second']:.0f}/s; "
      f"p50 {latency['p50_us'] / 1000:.1f} ms, p99 {latency['p99_us'] / 1000:.1f} ms, p99.9 {latency['p999_us'] / 1000:.1f} ms")
if report["errors"]:
    sys.exit(f"requests failed: {report['errors']}")
P
  # Also what was answered after the measured time is in the log, and was synced.
  printf '  the log grew by   %d in %d commits of %.1f on average\n' "$ADDS" "$COMMITS" "$(awk "BEGIN { print $ADDS / $COMMITS }")"
}

# Counts the traced syncs by what was synced.
syncs() {
  # a call that was interrupted by another thread's stands in two lines, the second without its name at the front
  grep -v resumed "$WORK/counted" | grep -oE '(fdatasync|fsync|sync_file_range|msync|sync|syncfs)\([^ ]*' | sed -E '
    s/^([a-z_]+)\(.*\/anchor>.*/\1 of the anchor/
    s/^([a-z_]+)\(.*\.log>.*/\1 of the write-ahead log/
    s/^([a-z_]+)\(.*\/(MANIFEST|CURRENT|OPTIONS|IDENTITY).*/\1 of the list of tables/
    s/^([a-z_]+)\(.*\.(sst|blob|dbtmp)>.*/\1 of tables/
    s/^([a-z_]+)\(.*\/db>.*/\1 of the directory/' | sort | uniq -c | sort -rn
}

report_syncs() {
  local counted
  counted=$(syncs)
  echo "$counted" | sed 's/^ */  /; s/^  \([0-9]*\) \(.*\)/  \2: \1/'
  SYNCS=$(echo "$counted" | awk '{ n += $1 } END { print n + 0 }')
  COMMIT_SYNCS=$(echo "$counted" | awk '/of the anchor|of the write-ahead log/ { n += $1 } END { print n + 0 }')
  printf '  syncs             %d: 1 in %.1f adds; %.3f a commit of the write-ahead log and the anchor\n' \
    "$SYNCS" "$(awk "BEGIN { print $ADDS / $SYNCS }")" "$(awk "BEGIN { print $COMMIT_SYNCS / $COMMITS }")"
}

echo "$CONNECTIONS connections, entries of 256 bytes, $EACH s each; $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"

measure "1. Each sync delayed by 5 ms" "${TRACE[@]}" --inject=fdatasync,fsync:delay_enter=5000 -o "$WORK/trace"
report_syncs
if [ $((SYNCS * 50)) -ge "$ADDS" ]; then
  echo "FAILED: $SYNCS syncs for $ADDS adds are not fewer than 1 in 50"
  exit 1
fi

measure "2. The disk as it is, syncs counted" "${TRACE[@]}" -o "$WORK/trace"
report_syncs

measure "3. The disk as it is, nothing traced" env
printf '  syncs             %d by the commits: 1 in %.1f adds\n' $((2 * COMMITS)) "$(awk "BEGIN { print $ADDS / $COMMITS / 2 }")"
printf '  processor time    %s µs of the server for each add\n' "$CPU"
