#!/usr/bin/env bash
# Prints the path of a Python that has the packages of scripts/python-requirements.txt: an environment in the cache directory, made when it
# is missing. Fails where there is no Python, or none that can make one.
#
#   python=$(scripts/python-env.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

command -v python3 >/dev/null || { echo "there is no python3: apt-get install python3 python3-venv" >&2; exit 1; }
# Another list of packages, or another Python, is another environment.
KEY=$({ python3 --version; cat python-requirements.txt; } | sha256sum | cut -c 1-12)
ENVIRONMENT=${XDG_CACHE_HOME:-$HOME/.cache}/acta/python-$KEY
if [ ! -e "$ENVIRONMENT/complete" ]; then
  mkdir -p "$(dirname "$ENVIRONMENT")"
  exec 9>"$ENVIRONMENT.lock"
  flock 9
  if [ ! -e "$ENVIRONMENT/complete" ]; then
    rm -rf "$ENVIRONMENT"
    python3 -m venv "$ENVIRONMENT" >&2
    "$ENVIRONMENT/bin/python" -m pip install --quiet --disable-pip-version-check -r python-requirements.txt >&2
    touch "$ENVIRONMENT/complete"
  fi
fi
echo "$ENVIRONMENT/bin/python"
