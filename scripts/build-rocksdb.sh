#!/usr/bin/env bash
# Builds librocksdb.a of the locked librocksdb-sys once, into a cache directory, and prints that directory.
#
# Why: the crate's own build compiles some 400 files one by one, once per cargo profile: 13 minutes each on 2 cores. The same sources
# in large translation units take 3 minutes, and every profile links the result. The name of the directory carries all that the
# result depends on, so it never goes stale. `cargo build` without it works too, slowly; ACTA_BUNDLED_ROCKSDB=1 asks for that.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

RECIPE=1 # raise it when a change below changes the library
UNIT_FILES=${UNIT_FILES:-48}
FLAGS="-O3 -msse4.2 -mpclmul"
case "$(uname -m)" in x86_64) ;; *) FLAGS="-O3" ;; esac

metadata=$(cargo metadata --format-version 1 --locked)
package() { # NAME FIELD
  python3 -c 'import json,sys; p=[p for p in json.load(sys.stdin)["packages"] if p["name"]==sys.argv[1]][-1]; print(p[sys.argv[2]])' "$1" "$2" <<<"$metadata"
}
sys=$(dirname "$(package librocksdb-sys manifest_path)")
lz4=$(dirname "$(package lz4-sys manifest_path)")/liblz4/lib
zstd=$(dirname "$(package zstd-sys manifest_path)")/zstd/lib
version=$(package librocksdb-sys version)
key=$(printf '%s' "$RECIPE $version $FLAGS $UNIT_FILES $(${CXX:-c++} --version | head -n 1)" | sha256sum | cut -c 1-12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/acta
out=$cache/rocksdb-${version//+/-}-$key

if [ ! -f "$out/librocksdb.a" ]; then
  echo "Building RocksDB ($version) once; this takes some minutes." >&2
  mkdir -p "$cache"
  build=$(mktemp -d "$cache/building.XXXXXX") # beside its place, so that the last step is a rename
  trap 'rm -rf "$build"' EXIT
  # One translation unit holds neighbours only: files of one folder seldom define the same names.
  python3 - "$sys" "$build" "$UNIT_FILES" <<'P'
import sys
sys_dir, build, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
folders = {}
for name in open(f"{sys_dir}/rocksdb_lib_sources.txt").read().split():
    if name != "util/build_version.cc":
        folders.setdefault(name.split("/")[0], []).append(name)
units = [names[i:i + count] for names in folders.values() for i in range(0, len(names), count)]
for number, names in enumerate(sorted(units, key=len, reverse=True)):
    with open(f"{build}/unit{number:02}.cc", "w") as unit:
        unit.writelines(f'#include "{sys_dir}/rocksdb/{name}"\n' for name in names)
with open(f"{build}/version.cc", "w") as unit:
    unit.write(f'#include "{sys_dir}/build_version.cc"\n')
P
  export compile="${CXX:-c++} -std=c++20 -include cstdint -fPIC -w $FLAGS -ffunction-sections -fdata-sections
    -I$sys/rocksdb/include -I$sys/rocksdb -I$sys -I$lz4 -I$zstd -DLZ4=1 -DZSTD=1 -DNDEBUG=1
    -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX
    -DROCKSDB_SUPPORT_THREAD_LOCAL -DROCKSDB_SCHED_GETCPU_PRESENT -DROCKSDB_AUXV_GETAUXVAL_PRESENT
    -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT"
  find "$build" -name '*.cc' | sort | xargs -P "$(nproc)" -I{} sh -c '$compile -c {} -o {}.o && printf . >&2'
  echo >&2
  mkdir -p "$out"
  ar crs "$build/librocksdb.a" "$build"/*.o
  mv "$build/librocksdb.a" "$out/librocksdb.a" # an interrupted build leaves nothing that looks whole
fi
echo "$out"
