#!/usr/bin/env bash
# Instructions of whole runs, which do not wobble with the load of the machine: benches/instructions.sh [FILE]...
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet
files=("$@")
[ ${#files[@]} -gt 0 ] || files=(fixtures/safetensors/plain.safetensors fixtures/pickle/*.pkl)
printf '%-60s %15s\n' file instructions
for file in "${files[@]}"; do
  count=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/modelaudit scan --jobs 1 -q "$file" 2>&1 |
    sed -n 's/.*Collected : *//p')
  printf '%-60s %15s\n' "$file" "$count"
done
