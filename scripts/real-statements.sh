#!/usr/bin/env bash
# Turns the decisions and appeals of a planning register into signed statements of one issuer, publishes them to a log of statements,
# computes what follows from them again, and reports what was admitted and what was refused, and why.
#
#   scripts/real-statements.sh DIRECTORY     with decisions.jsonl.gz and appeals.csv.gz
#
# PROFILE=release takes optimized programs; they must have been built. WORK=DIR keeps what was made in DIR.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/log-process.sh

DATA=${1:?name the directory with decisions.jsonl.gz and appeals.csv.gz}
PROGRAMS=$(scripts/target-dir.sh)/${PROFILE:-debug}
ACTA=$PROGRAMS/acta LOG_PROGRAM=$PROGRAMS/acta-log
if [ -z "${WORK:-}" ]; then
  WORK=$(mktemp -d)
  trap 'end_log; rm -rf "$WORK"' EXIT
else
  mkdir -p "$WORK"
  trap end_log EXIT
fi
ISSUER=planning.real-data.example
fail() {
  echo "FAILED: $*" >&2
  tail -n 5 "$WORK/log.err" >&2 || true
  exit 1
}

gzip -dc "$DATA/decisions.jsonl.gz" >"$WORK/decisions.jsonl"
gzip -dc "$DATA/appeals.csv.gz" >"$WORK/appeals.csv"
for name in registrar.example "$ISSUER"; do "$ACTA" keygen --name "$name" --out "$WORK/$name.key" >/dev/null 2>&1; done
"$LOG_PROGRAM" init --dir "$WORK/log" --origin real-statements.example/log --registrar "$WORK/registrar.example.key.vkey" >/dev/null
start_log "$WORK/log" 127.0.0.1:0
LOG=(--log "$LOG_URL" --policy "$WORK/log/policy")
"$ACTA" issuer register --registrar-key "$WORK/registrar.example.key" --issuer "$ISSUER" --key "$WORK/$ISSUER.key.vkey" \
  --kinds 'planning.*' "${LOG[@]}" --receipt "$WORK/registration.tlog-proof" >/dev/null 2>&1

publish() {
  local began status=0
  began=$(date +%s.%N)
  "$ACTA" publish --issuer "$ISSUER" --key "$WORK/$ISSUER.key" --series "$1" "${LOG[@]}" --receipts "$WORK/receipts" \
    --mapping "scripts/planning/$1.toml" --keep-going "$2" >"$WORK/$1.out" 2>"$WORK/$1.err" || status=$?
  # 1 says that some were refused, which the report is about.
  [ "$status" -le 1 ] || fail "acta publish: $(tail -n 3 "$WORK/$1.err")"
  printf '%s: %s lines, %.1f s\n' "$1" "$3" "$(echo "$(date +%s.%N) $began" | awk '{print $1 - $2}')"
  sed "s#$WORK/##; s/^/  /" "$WORK/$1.out"
  grep -h 'not published' "$WORK/$1.err" | sed "s#$WORK/##; s/^/  /" || true
}
publish decisions "$WORK/decisions.jsonl" "$(wc -l <"$WORK/decisions.jsonl")"
publish appeals "$WORK/appeals.csv" "$(python3 -c 'import csv, sys; print(sum(1 for _ in csv.DictReader(open(sys.argv[1]))))' "$WORK/appeals.csv")"

count() { grep -o "\"rel\":\"$1\"" "$WORK/$ISSUER.relations" | wc -l; }
sed -n 's/\\//gp' "$WORK/receipts/$ISSUER.statements.jsonl" | grep '^{"signed"' >"$WORK/$ISSUER.relations"
echo "relations signed: $(count appeals) appeals, $(count supersedes) supersedes"

# Everything again, from the entries.
"$ACTA" status 2 --verify "${LOG[@]}" >"$WORK/status.out" 2>&1 || fail "acta status --verify: $(cat "$WORK/status.out")"
grep 'each of which was checked' "$WORK/status.out" || fail "not every entry was judged: $(cat "$WORK/status.out")"
"$ACTA" verify --policy "$WORK/log/policy" --quiet "$WORK/receipts"
stop_log TERM || fail "the server did not end well"
"$LOG_PROGRAM" fsck --dir "$WORK/log" | tail -n 1
