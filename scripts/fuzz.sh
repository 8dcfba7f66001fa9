#!/usr/bin/env bash
# Runs the fuzz targets: scripts/fuzz.sh [SECONDS [TARGET…]], each for that long (10).
#
# With libFuzzer, guided by coverage, where the toolchain builds it; else, or with DRIVER=stable, with the driver of acta-fuzz, which
# mutates the same seeds for the same targets. cargo-fuzz is not needed, but works: `cargo fuzz run --features libfuzzer fuzz_note`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SECONDS_EACH=${1:-10}
shift || true
TARGET_DIR=$(scripts/target-dir.sh)
cargo build --quiet -p acta-fuzz --bin acta-fuzz
DRIVER_PROGRAM=$TARGET_DIR/debug/acta-fuzz
TARGETS=("$@")
[ ${#TARGETS[@]} -gt 0 ] || mapfile -t TARGETS < <("$DRIVER_PROGRAM" list)

# Coverage counters in all our code, and checks of overflow. No sanitizer: our crates have no unsafe code for one to look into.
build_libfuzzer() {
  local host bins
  # only those: the driver has no counters' runtime to link with
  bins=$(basename -s .rs fuzz/fuzz_targets/*.rs | sed 's/^/--bin fuzz_/')
  host=$(rustc -vV | sed -n 's/^host: //p')
  FUZZERS=$TARGET_DIR/fuzz/$host/release
  RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    -Cdebug-assertions -Coverflow-checks" \
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_INCREMENTAL=0 \
    cargo build --quiet --release --target "$host" --target-dir "$TARGET_DIR/fuzz" -p acta-fuzz --no-default-features --features libfuzzer $bins
}

if [ "${DRIVER:-}" = stable ] || ! build_libfuzzer; then
  echo "Fuzzing with the stable driver."
  exec "$DRIVER_PROGRAM" "$SECONDS_EACH" "${TARGETS[@]}"
fi

echo "Fuzzing with libFuzzer."
SEEDS=$(mktemp -d)
trap 'rm -rf "$SEEDS"' EXIT
"$DRIVER_PROGRAM" corpus "$SEEDS"
mkdir -p fuzz/artifacts
for target in "${TARGETS[@]}"; do
  if [ ! -x "$FUZZERS/fuzz_$target" ]; then
    "$DRIVER_PROGRAM" "$SECONDS_EACH" "$target"
    continue
  fi
  mkdir -p "fuzz/corpus/$target"
  # What an input may cost: 2 s and 512 MiB.
  if ! "$FUZZERS/fuzz_$target" -max_total_time="$SECONDS_EACH" -timeout=2 -rss_limit_mb=512 -max_len=65536 -print_final_stats=1 \
    -artifact_prefix="fuzz/artifacts/$target-" "fuzz/corpus/$target" "$SEEDS/$target" >"$SEEDS/out" 2>&1; then
    tail -n 60 "$SEEDS/out"
    echo "FAILED: $target; the input is under fuzz/artifacts, and this shows it again: acta-fuzz try $target FILE"
    exit 1
  fi
  awk -v target="$target" '
    /stat::number_of_executed_units/ { units = $2 }
    /stat::new_units_added/ { added = $2 }
    / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
    END { printf "%-16s %9d inputs, %6d led further, %5d places reached\n", target, units, added, cov }' "$SEEDS/out"
done
