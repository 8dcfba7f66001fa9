#!/usr/bin/env bash
# Holds log-server/src/http/openapi.json against running logs, one that takes any bytes and one of statements: schemathesis makes requests of
# the document, good ones and bad ones, and wants each answer to have a status, headers and a body that it has. Without
# Python it says so and does nothing; with ACTA_REQUIRE_PYTHON=1 that is a failure.
#
#   scripts/openapi.sh DIR [FLAG…]   DIR has acta and acta-log; flags go to `schemathesis run`, such as --include-path /add
#
# ACTA_SEED=N makes other requests than the usual ones; ACTA_EXAMPLES=N is how many for each call, beside those at the edges.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/log-process.sh

if [ $# -lt 1 ]; then
  echo "Usage: scripts/openapi.sh DIR [FLAG…], where DIR has our programs: target/debug after cargo build" >&2
  exit 2
fi
ACTA=$(realpath "$1")/acta LOG_PROGRAM=$(realpath "$1")/acta-log
shift
SEED=${ACTA_SEED:-6962} EXAMPLES=${ACTA_EXAMPLES:-15}
PARTIAL=$#

if ! PYTHON=$(scripts/python-env.sh); then
  if [ "${ACTA_REQUIRE_PYTHON:-}" = 1 ]; then
    echo "ACTA_REQUIRE_PYTHON=1, but there is no Python that can have packages: apt-get install python3 python3-venv" >&2
    exit 1
  fi
  echo "SKIPPED: the log's HTTP against its OpenAPI document; install python3 and python3-venv to compare them"
  exit 0
fi

WORK=$(mktemp -d)
trap 'end_log; rm -rf "$WORK"' EXIT
HERE=$PWD DOCUMENT=$PWD/log-server/src/http/openapi.json

# compare NAME [FLAG…]: what the log that is running answers.
compare() {
  local name=$1
  shift
  echo "Admission $name: $LOG_URL, ACTA_SEED=$SEED"
  "$PYTHON" -c 'import sys, urllib.request as http; sys.stdout.buffer.write(http.urlopen(sys.argv[1]).read())' "$LOG_URL/openapi.json" |
    cmp - "$DOCUMENT" || { echo "the log serves another document than this clone has: build it" >&2; return 1; }
  (
    cd "$WORK" # where it looks for files of its own
    SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$HERE/scripts/openapi PYTHONDONTWRITEBYTECODE=1 "$PYTHON" -m schemathesis.cli --no-color \
      --config-file "$HERE/scripts/openapi/$name.toml" run "$DOCUMENT" --url "$LOG_URL" --seed "$SEED" --max-examples "$EXAMPLES" \
      --generation-database none --warnings off --continue-on-failure --report ndjson --report-ndjson-path "$WORK/$name.ndjson" "$@"
  )
}

# The leaf that the document's examples name is of the first entry, so that one goes in before the others, which may change places.
"$LOG_PROGRAM" init --dir "$WORK/open" --origin openapi.example/open --admission open >/dev/null
"$LOG_PROGRAM" ct-key --dir "$WORK/open" >/dev/null
start_log "$WORK/open" 127.0.0.1:0
echo "A decision" >"$WORK/first.jsonl"
seq -f 'decision %g' 600 >"$WORK/entries.jsonl"
for entries in first entries; do
  "$ACTA" publish --log "$LOG_URL" --policy "$WORK/open/policy" --receipts "$WORK/receipts" "$WORK/$entries.jsonl" >/dev/null
done
compare open "$@"
stop_log TERM

for name in registrar.example issuer.example; do "$ACTA" keygen --name "$name" --out "$WORK/$name.key" >/dev/null 2>&1; done
"$LOG_PROGRAM" init --dir "$WORK/statements" --origin openapi.example/statements --registrar "$WORK/registrar.example.key.vkey" >/dev/null
start_log "$WORK/statements" 127.0.0.1:0
LOG=(--log "$LOG_URL" --policy "$WORK/statements/policy")
"$ACTA" issuer register --registrar-key "$WORK/registrar.example.key" --issuer issuer.example --key "$WORK/issuer.example.key.vkey" \
  --kinds 'test.*' "${LOG[@]}" --receipt "$WORK/registration.tlog-proof" >/dev/null 2>&1
for i in $(seq 10); do printf '{"kind":"test.decision","subject":"Roof %s","outcome":"granted","decided":"2026-03-01"}\n' "$i"; done >"$WORK/decisions.jsonl"
"$ACTA" publish --issuer issuer.example --key "$WORK/issuer.example.key" --series 2026 "${LOG[@]}" --receipts "$WORK/statement-receipts" \
  "$WORK/decisions.jsonl" >/dev/null
compare statements "$@"
PYTHONDONTWRITEBYTECODE=1 "$PYTHON" scripts/openapi/refusals.py "$DOCUMENT" "$LOG_URL"
stop_log TERM

if [ "$PARTIAL" = 0 ]; then
  "$PYTHON" scripts/openapi/seen.py log-server/src/http/openapi.json "$WORK/open.ndjson" "$WORK/statements.ndjson"
fi
