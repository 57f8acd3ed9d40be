#!/usr/bin/env bash
# Builds every fuzz target on stable Rust and runs each for a while: fuzz/run.sh [SECONDS] [TARGET]...
# Coverage comes from the compiler's own instrumentation flags, so neither nightly nor cargo-fuzz is needed.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-10}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(scan format codec archive executable marshal report)
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
triple=$(rustc -vV | sed -n 's/^host: //p')
cargo build --release --locked --target "$triple" --bins
for target in "${targets[@]}"; do
  mkdir -p "corpus/$target"
  # The fixtures are the seeds.
  seeds=$(find ../fixtures -mindepth 2 -type f ! -name '*.py' ! -name 'manifest.toml')
  # shellcheck disable=SC2086
  [ -n "$(ls -A "corpus/$target")" ] || cp $seeds "corpus/$target/" 2>/dev/null || true
  echo "fuzz $target for $seconds s"
  "target/$triple/release/$target" "corpus/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 \
    -max_len=65536 -artifact_prefix="artifacts-" -print_final_stats=0 -verbosity=0
done
