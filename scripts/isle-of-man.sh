#!/usr/bin/env bash
# Publishes a planning register with its appeals to a log under a witness, lets a monitor look at it, and prints the figures of
# docs/isle-of-man.md.
#
#   scripts/isle-of-man.sh DIRECTORY     with decisions.jsonl.gz and appeals.csv.gz
#
# PROFILE=release takes optimized programs; they must have been built. WORK=DIR keeps what was made in DIR.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/log-process.sh

DATA=${1:?name the directory with decisions.jsonl.gz and appeals.csv.gz}
PROGRAMS=$(scripts/target-dir.sh)/${PROFILE:-debug}
ACTA=$PROGRAMS/acta LOG_PROGRAM=$PROGRAMS/acta-log WITNESS=$PROGRAMS/acta-witness MONITOR=$PROGRAMS/acta-monitor
if [ -z "${WORK:-}" ]; then
  WORK=$(mktemp -d)
  trap 'end_log; end_witness; rm -rf "$WORK"' EXIT
else
  mkdir -p "$WORK"
  trap 'end_log; end_witness' EXIT
fi
ISSUER=planning.real-data.example
end_witness() {
  if [ -n "${WITNESS_PID:-}" ]; then
    kill "$WITNESS_PID" 2>/dev/null || true
    wait "$WITNESS_PID" 2>/dev/null || true
  fi
}
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

gzip -dc "$DATA/decisions.jsonl.gz" >"$WORK/decisions.jsonl"
gzip -dc "$DATA/appeals.csv.gz" >"$WORK/appeals.csv"
for name in registrar.example "$ISSUER"; do "$ACTA" keygen --name "$name" --out "$WORK/$name.key" >/dev/null 2>&1; done
"$LOG_PROGRAM" init --dir "$WORK/log" --origin real-statements.example/log --registrar "$WORK/registrar.example.key.vkey" >/dev/null
"$WITNESS" init --dir "$WORK/witness" --name witness.example --ed25519-only >/dev/null
"$WITNESS" logs add --dir "$WORK/witness" --vkey "$WORK/log/log.vkey" >/dev/null
mkfifo "$WORK/witness.out"
"$WITNESS" serve --dir "$WORK/witness" --listen 127.0.0.1:0 >"$WORK/witness.out" 2>"$WORK/witness.err" &
WITNESS_PID=$!
read -r _ _ WITNESS_URL <"$WORK/witness.out"
{
  grep '^log ' "$WORK/log/policy"
  printf 'witness witness.example %s %s\nquorum witness.example\n' "$(cat "$WORK/witness/witness.vkey")" "$WITNESS_URL"
} >"$WORK/policy"
cp "$WORK/policy" "$WORK/log/policy"
start_log "$WORK/log" 127.0.0.1:0
LOG=(--log "$LOG_URL" --policy "$WORK/policy")
"$ACTA" issuer register --registrar-key "$WORK/registrar.example.key" --issuer "$ISSUER" --key "$WORK/$ISSUER.key.vkey" \
  --kinds 'planning.*' "${LOG[@]}" --receipt "$WORK/registration.tlog-proof" >/dev/null 2>&1
for series in decisions appeals; do
  input=$WORK/$series.jsonl
  if [ "$series" = appeals ]; then input=$WORK/appeals.csv; fi
  status=0
  "$ACTA" publish --issuer "$ISSUER" --key "$WORK/$ISSUER.key" --series "$series" "${LOG[@]}" --receipts "$WORK/receipts" \
    --mapping "scripts/planning/$series.toml" --keep-going "$input" >"$WORK/$series.out" 2>"$WORK/$series.err" || status=$?
  # 1 says that some were refused, which the report is about.
  [ "$status" -le 1 ] || fail "acta publish: $(tail -n 3 "$WORK/$series.err")"
done

began=$(date +%s.%N)
status=0
"$MONITOR" check --policy "$WORK/policy" --log "$LOG_URL" --state "$WORK/monitor" --json >"$WORK/findings.jsonl" 2>"$WORK/monitor.err" || status=$?
[ "$status" -le 1 ] || fail "acta-monitor check: $(tail -n 3 "$WORK/monitor.err")"
ended=$(date +%s.%N)
"$MONITOR" export --state "$WORK/monitor" decisions >"$WORK/published.jsonl"
python3 scripts/planning/report.py "$WORK" "$(echo "$began $ended" | awk '{printf "%.1f", $2 - $1}')"
