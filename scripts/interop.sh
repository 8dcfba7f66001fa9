#!/usr/bin/env bash
# Runs programs from elsewhere against ours, in both directions: interop/README.md lists whose. Without Go it says so and does nothing;
# with ACTA_REQUIRE_GO=1 that is a failure.
#
#   scripts/interop.sh DIR [FLAG…]   DIR has acta, acta-log, acta-witness and acta-monitor; flags go to `go test`, such as -run Litewitness
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What interop/go.mod asks for. An older go command takes this release of itself from the module proxy, like any module.
TOOLCHAIN=go1.27.3

if [ $# -lt 1 ]; then
  echo "Usage: scripts/interop.sh DIR [FLAG…], where DIR has our programs: target/debug after cargo build" >&2
  exit 2
fi
ACTA_BIN=$(realpath "$1")
export ACTA_BIN
shift

if ! command -v go >/dev/null; then
  if [ "${ACTA_REQUIRE_GO:-}" = 1 ]; then
    echo "ACTA_REQUIRE_GO=1, but there is no go command: install Go 1.21 or later" >&2
    exit 1
  fi
  echo "SKIPPED: programs from elsewhere against ours; install Go 1.21 or later to run them"
  exit 0
fi

# For the one test of a Python program.
if ! ACTA_PYTHON=$(scripts/python-env.sh); then
  echo "SKIPPED: the Python program of interop/; install python3 and python3-venv to run it" >&2
  if [ "${ACTA_REQUIRE_GO:-}" = 1 ]; then exit 1; fi
fi
export ACTA_PYTHON

cd interop
export GOTOOLCHAIN=$TOOLCHAIN GOFLAGS="-mod=readonly -buildvcs=false"
go version
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  echo "gofmt would change: $unformatted" >&2
  exit 1
fi
go vet ./...
go test -count=1 -v "$@" ./...
