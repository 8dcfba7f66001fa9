#!/usr/bin/env bash
# Publishes a large set of decisions, one receipt each, to a log whose server is killed on the way, and checks that the log holds each
# decision once and that every receipt verifies with the server gone.
#
#   scripts/real-data.sh FILE.jsonl[.gz]     the decisions of that file, one a line
#   scripts/real-data.sh [generated]         a generated set of the size and shape of the real one
#
# PROFILE=release takes optimized programs; they must have been built. WORK=DIR keeps what was made in DIR.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/log-process.sh

INPUT=${1:-generated}
PROGRAMS=$(scripts/target-dir.sh)/${PROFILE:-debug}
ACTA=$PROGRAMS/acta LOG_PROGRAM=$PROGRAMS/acta-log
if [ -z "${WORK:-}" ]; then
  WORK=$(mktemp -d)
  trap 'end_log; rm -rf "$WORK"' EXIT
else
  mkdir -p "$WORK"
  trap end_log EXIT
fi
LINES=$WORK/decisions.jsonl RECEIPTS=$WORK/receipts DIR=$WORK/log POLICY=$WORK/log/policy

begin() {
  BEGAN=$(date +%s.%N)
  printf '%s … ' "$1"
}
end() { printf '%s (%.1f s)\n' "$1" "$(echo "$(date +%s.%N) $BEGAN" | awk '{print $1 - $2}')"; }
fail() {
  echo
  echo "FAILED: $*" >&2
  tail -n 5 "$WORK/log.err" >&2 || true
  exit 1
}
receipts() { find "$RECEIPTS" -name '*.tlog-proof' 2>/dev/null | wc -l; }
publish() { "$ACTA" publish --log "$LOG_URL" --policy "$POLICY" --receipts "$RECEIPTS" "$LINES" >>"$WORK/publish.out" 2>&1; }

case $INPUT in
  generated) scripts/generate-decisions.py >"$LINES" ;;
  *.gz) gzip -dc "$INPUT" >"$LINES" ;;
  *) cp "$INPUT" "$LINES" ;;
esac
COUNT=$(wc -l <"$LINES")
DISTINCT=$(sort -u "$LINES" | wc -l)
echo "$COUNT decisions ($DISTINCT distinct) of $INPUT, $(wc -c <"$LINES") bytes"

"$LOG_PROGRAM" init --dir "$DIR" --origin real-data.example/log --admission open >"$WORK/init.out"
start_log "$DIR" 127.0.0.1:0
ADDRESS=$LOG_ADDRESS

begin "Publishing, until the server is killed"
publish &
PUBLISHER=$!
# In the middle: after a third of the receipts, and certainly before the last.
while [ "$(receipts)" -lt $((DISTINCT / 3)) ]; do
  sleep 0.05
  kill -0 "$PUBLISHER" 2>/dev/null || fail "acta publish ended early: $(tail -n 3 "$WORK/publish.out")"
done
stop_log KILL && fail "the server ended well although it was killed"
KILLED_AT=$(receipts)
[ "$KILLED_AT" -lt "$DISTINCT" ] || fail "everything was published before the server was killed; there was no middle"
end "killed with $KILLED_AT receipts out"

begin "Starting it again, on the same directory and address"
start_log "$DIR" "$ADDRESS"
end "it listens"

begin "Publishing the rest"
# The first run may have waited and gone on, or given up: then the same command publishes only what is missing.
RERUNS=0
wait "$PUBLISHER" || until publish; do
  RERUNS=$((RERUNS + 1))
  [ "$RERUNS" -lt 5 ] || fail "acta publish does not succeed: $(tail -n 3 "$WORK/publish.out")"
done
[ "$(receipts)" = "$DISTINCT" ] || fail "$(receipts) receipts for $DISTINCT decisions"
end "$DISTINCT receipts"

begin "Publishing everything once more"
publish || fail "the rerun did not succeed"
[ "$(receipts)" = "$DISTINCT" ] || fail "$(receipts) receipts for $DISTINCT decisions"
end "nothing was added"

begin "Auditing the log over HTTP"
"$ACTA" audit --log "$LOG_URL" --policy "$POLICY" --state "$WORK/state" >"$WORK/audit.out" 2>&1 || fail "acta audit: $(tail -n 3 "$WORK/audit.out")"
end "the whole log verifies"

begin "Comparing the log's entries with the input"
# A second reader, without any of our code: plain HTTP and the format of tlog-tiles.
COMPARED=$(scripts/compare-entries.py "$LOG_URL" "$LINES") || fail "$COMPARED"
end "$COMPARED"

begin "Stopping the server"
stop_log TERM || fail "it did not end well when asked to"
end "it drained and ended"

begin "Checking the stored log (acta-log fsck)"
"$LOG_PROGRAM" fsck --dir "$DIR" >"$WORK/fsck.out" 2>&1 || fail "acta-log fsck: $(tail -n 3 "$WORK/fsck.out")"
end "consistent"

begin "Verifying every receipt, with no server there"
"$ACTA" verify --quiet --policy "$POLICY" "$RECEIPTS" >"$WORK/verify.out" 2>&1 || fail "acta verify: $(tail -n 3 "$WORK/verify.out")"
end "$(tail -n 1 "$WORK/verify.out")"

echo "PASSED: $DISTINCT decisions, each once in the log, each with a receipt that verifies offline; the server was killed after $KILLED_AT, and $RERUNS reruns were needed"
du -sh "$DIR" "$RECEIPTS" | awk '{print $1 "\t" $2}'
