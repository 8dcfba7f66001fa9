#!/usr/bin/env bash
# Checks the dependency tree against deny.toml: bans, licences, sources. ADVISORIES=1 also looks at known vulnerabilities, which
# needs to fetch their database from the network.
#
# The cargo-deny that is on the PATH is used; without one a pinned version is built once into the cache directory, unoptimized,
# since it runs for a second and takes a minute to build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VERSION=0.20.2
checks=(bans licenses sources)
[ "${ADVISORIES:-}" != 1 ] || checks+=(advisories)

deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
  tools=${XDG_CACHE_HOME:-$HOME/.cache}/acta/cargo-deny-$VERSION
  deny=$tools/bin/cargo-deny
  if [ ! -x "$deny" ]; then
    echo "Building cargo-deny $VERSION once." >&2
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
    CARGO_TARGET_DIR=$build CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 \
      cargo install --locked --quiet --profile dev --root "$tools" "cargo-deny@$VERSION" >&2
  fi
fi
"$deny" --all-features --locked check "${checks[@]}"
