#!/usr/bin/env bash
# Runs each test that the matrix of interop/README.md has while what the matrix names is broken, and wants it to fail, over that: a test that
# cannot fail shows nothing. Without Go it says so and does nothing; with ACTA_REQUIRE_GO=1 that is a failure.
#
#   scripts/interop-broken.sh DIR [PATTERN]   DIR has our programs; only tests whose name matches
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ $# -lt 1 ]; then
  echo "Usage: scripts/interop-broken.sh DIR [PATTERN], where DIR has our programs: target/debug after cargo build" >&2
  exit 2
fi
if ! command -v go >/dev/null; then
  if [ "${ACTA_REQUIRE_GO:-}" = 1 ]; then
    echo "ACTA_REQUIRE_GO=1, but there is no go command: install Go 1.21 or later" >&2
    exit 1
  fi
  echo "SKIPPED: programs from elsewhere with something broken; install Go 1.21 or later to run them"
  exit 0
fi
ACTA_BIN=$(realpath "$1")
PATTERN=${2:-.}
ACTA_PYTHON=$(scripts/python-env.sh)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export ACTA_BIN ACTA_PYTHON ACTA_THEIRS=$WORK/theirs
GOTOOLCHAIN=$(sed -n 's/^TOOLCHAIN=//p' scripts/interop.sh)
export GOTOOLCHAIN GOFLAGS="-mod=readonly -buildvcs=false"

cd interop
mkdir "$ACTA_THEIRS"
go build -o "$ACTA_THEIRS/" tool
go test -c -o "$WORK/interop.test" .

tried=0 bad=0
while read -r name breakage; do
  [[ $name =~ $PATTERN ]] || continue
  tried=$((tried + 1)) began=$SECONDS
  if ACTA_INTEROP_BREAK=$breakage "$WORK/interop.test" -test.run "^$name\$" -test.v -test.timeout 3m >"$WORK/out" 2>&1 </dev/null; then
    verdict="PASSED, THOUGH BROKEN"
  elif ! grep -q "^--- FAIL: $name" "$WORK/out"; then
    verdict="ENDED OTHERWISE"
  elif ! grep -q "BROKEN: $breakage\$" "$WORK/out"; then
    verdict="FAILED BEFORE ANYTHING WAS BROKEN"
  else
    verdict=fails
  fi
  printf '%-25s %-24s %4d s  %s\n' "$verdict" "$breakage" $((SECONDS - began)) "$name"
  if [ "$verdict" != fails ]; then
    bad=$((bad + 1))
    tail -n 30 "$WORK/out" | cut -c 1-300 | sed 's/^/    /'
  elif [ -n "${SHOW:-}" ]; then
    grep -m 1 -E '^ +[a-z_0-9]+_test.go:' "$WORK/out" | cut -c 1-200 || true
  fi
done < <(sed -n 's/^|.*| `\(Test[A-Za-z0-9]*\)` |.*| `\([a-z-]*\)`:.*/\1 \2/p' README.md)
echo "$tried tests were run with something broken; $((tried - bad)) failed over it, as they must"
if [ "$tried" = 0 ] || [ "$bad" != 0 ]; then exit 1; fi
