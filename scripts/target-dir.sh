#!/usr/bin/env bash
# Prints the directory that cargo builds into here, wherever CARGO_TARGET_DIR or a configuration puts it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo metadata --no-deps --offline --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
