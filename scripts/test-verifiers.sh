#!/usr/bin/env bash
# Runs acta, client/verifiers/python and client/verifiers/js on the same receipts and wants the same verdicts. What is not installed is
# skipped, with a message; with ACTA_REQUIRE_VERIFIERS=1 that is a failure.
#
#   scripts/test-verifiers.sh DIR [TEST…]   DIR has acta; ACTA_MUTATIONS and ACTA_SEED are for client/verifiers/test_verifiers.py
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ $# -lt 1 ]; then
  echo "Usage: scripts/test-verifiers.sh DIR [TEST…], where DIR has acta: target/debug after cargo build" >&2
  exit 2
fi
ACTA=$(realpath "$1")/acta
export ACTA
shift

skip() {
  if [ "${ACTA_REQUIRE_VERIFIERS:-}" = 1 ]; then
    echo "ACTA_REQUIRE_VERIFIERS=1, but $1" >&2
    exit 1
  fi
  echo "SKIPPED: $2, because $1"
}

if ! command -v python3 >/dev/null || ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
  skip "there is no Python 3.10 or later" "verifiers in other languages"
  exit 0
fi
if ! PYTHON=$(scripts/python-env.sh); then
  skip "the package cryptography cannot be installed (Debian: apt install python3-venv)" "verifiers in other languages"
  exit 0
fi

NODE=
if command -v node >/dev/null && node -e 'process.exit(globalThis.crypto?.subtle ? 0 : 1)' 2>/dev/null; then
  NODE=$(command -v node)
  echo "node $(node --version)"
else
  skip "there is no Node 20 or later" "the verifier in JavaScript"
fi
export NODE
PYTHONDONTWRITEBYTECODE=1 exec "$PYTHON" client/verifiers/test_verifiers.py "$@"
