#!/usr/bin/env bash
# Runs acta, client/verifiers/python and client/verifiers/js on the same receipts and wants the same verdicts. What is not installed is
# skipped, with a message; with ACTA_REQUIRE_VERIFIERS=1 that is a failure.
#
#   scripts/test-verifiers.sh DIR [TEST…]   DIR has acta; ACTA_MUTATIONS and ACTA_SEED are for client/verifiers/test_verifiers.py
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The newest when this was written; ML-DSA-44 came with 47.
CRYPTOGRAPHY=50.0.2

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

# A directory of its own for the one package, so that nothing is installed beside this machine's own Python.
venv=${XDG_CACHE_HOME:-$HOME/.cache}/acta/cryptography-$CRYPTOGRAPHY
if ! command -v python3 >/dev/null || ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
  skip "there is no Python 3.10 or later" "verifiers in other languages"
  exit 0
fi
if ! "$venv/bin/python" -c 'import cryptography' 2>/dev/null; then
  echo "Installing cryptography $CRYPTOGRAPHY into $venv, once" >&2
  rm -rf "$venv"
  if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check "cryptography==$CRYPTOGRAPHY"; } >&2; then
    skip "cryptography cannot be installed (Debian: apt install python3-venv)" "verifiers in other languages"
    exit 0
  fi
fi

NODE=
if command -v node >/dev/null && node -e 'process.exit(globalThis.crypto?.subtle ? 0 : 1)' 2>/dev/null; then
  NODE=$(command -v node)
  echo "node $(node --version)"
else
  skip "there is no Node 20 or later" "the verifier in JavaScript"
fi
export NODE
PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" client/verifiers/test_verifiers.py "$@"
