#!/usr/bin/env bash
# Makes sure that this machine can build and test Acta. Cheap when there is nothing to do; run by every `make` target that builds.
#
#   ACTA_BUNDLED_ROCKSDB=1   let cargo build RocksDB from its crate (slow, once per profile) instead of the cached library
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What is missing, as the names of Debian packages.
missing_packages() {
  local command package
  # command:package pairs; the compiler builds RocksDB, strace and openssl are used by tests
  for pair in c++:g++ make:make python3:python3 strace:strace openssl:openssl curl:curl; do
    command=${pair%%:*} package=${pair##*:}
    command -v "$command" >/dev/null || echo "$package"
  done
  # bindgen loads libclang when librocksdb-sys is built; libclang-cpp is another library, which other packages bring along
  if [ -z "${LIBCLANG_PATH:-}" ] && ! find /usr/lib /usr/local/lib -maxdepth 4 -name 'libclang[.-]*so*' ! -name 'libclang-cpp*' 2>/dev/null | grep -q .; then
    echo libclang-dev
  fi
}

install_missing() {
  local packages
  packages=$(missing_packages | sort -u | tr '\n' ' ')
  packages=${packages% }
  [ -n "$packages" ] || return 0
  local install="apt-get install -y --no-install-recommends $packages"
  local as_root=
  if [ "$(id -u)" != 0 ]; then as_root=sudo; fi
  if ! command -v apt-get >/dev/null; then
    echo "Missing: $packages (Debian's names). Install what gives you these, then run this again." >&2
    exit 1
  fi
  if [ -n "$as_root" ] && ! sudo -n true 2>/dev/null; then
    echo "Some packages are missing. Type this line, then run the command again:" >&2
    echo "  sudo apt-get update && sudo $install" >&2
    exit 1
  fi
  echo "Installing $packages" >&2
  export DEBIAN_FRONTEND=noninteractive
  $as_root apt-get update -qq </dev/null >&2
  $as_root $install -qq </dev/null >&2
}

require_rust() {
  if ! command -v cargo >/dev/null; then
    echo "Rust is missing. Install it from https://rustup.rs (stable, 1.95 or later), then run this again." >&2
    exit 1
  fi
}

# Settings for cargo stand in a file, not in the shell, so that a shell without them does not rebuild everything.
cargo_settings() {
  echo "# Written by scripts/setup.sh for this machine; not tracked."
  echo "[env]"
  if [ "${ACTA_BUNDLED_ROCKSDB:-}" = 1 ]; then
    # RocksDB checks every block with CRC32C; without these flags in software
    if [ "$(uname -m)" = x86_64 ]; then echo 'CXXFLAGS = "-msse4.2 -mpclmul"'; fi
  else
    local library
    library=$(scripts/build-rocksdb.sh)
    echo "ROCKSDB_LIB_DIR = \"$library\""
    echo 'ROCKSDB_STATIC = "1"'
  fi
}

write_cargo_settings() {
  local settings
  settings=$(cargo_settings)
  mkdir -p .cargo
  # only when it changes: cargo looks at what it says, people at its date
  if [ "$settings" != "$(cat .cargo/config.toml 2>/dev/null)" ]; then
    if [ -e .cargo/config.toml ] && ! head -n 1 .cargo/config.toml | grep -q 'scripts/setup.sh'; then
      echo "Leaving your own .cargo/config.toml as it is; it would have been:" >&2
      echo "$settings" >&2
      return 0
    fi
    echo "$settings" >.cargo/config.toml
  fi
}

install_missing
require_rust
write_cargo_settings
