#!/usr/bin/env bash
# Finds the program: the one that is given, the one of this revision's release, checked against the list of digests
# that is part of this revision, or one built from this source. Prints its path as an output.
set -euo pipefail

give() {
  echo "program=$1" >>"$GITHUB_OUTPUT"
  exit 0
}

if [ -n "$INPUT_BINARY_PATH" ]; then
  [ -x "$INPUT_BINARY_PATH" ] || { echo "binary-path: $INPUT_BINARY_PATH is no program" >&2; exit 2; }
  give "$INPUT_BINARY_PATH"
fi

case "${RUNNER_OS:-}/${RUNNER_ARCH:-}" in
  Linux/X64) target=x86_64-unknown-linux-musl ;;
  Linux/ARM64) target=aarch64-unknown-linux-musl ;;
  macOS/X64) target=x86_64-apple-darwin ;;
  macOS/ARM64) target=aarch64-apple-darwin ;;
  Windows/X64) target=x86_64-pc-windows-msvc ;;
  *) target=none ;;
esac
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$ACTION_SOURCE/Cargo.toml" | head -n 1)
asset=modelaudit-$version-$target.tar.gz
digest=$(awk -v asset="$asset" '$2 == asset {print $1}' "$ACTION_SOURCE/action/digests.txt")

if [ -z "$digest" ]; then
  echo "no release of $version for this system: building from source" >&2
  cargo build --release --locked --quiet --manifest-path "$ACTION_SOURCE/Cargo.toml" --target-dir "$RUNNER_TEMP/modelaudit-build"
  give "$RUNNER_TEMP/modelaudit-build/release/modelaudit"
fi

# What a cache holds is checked like what was just fetched.
folder=${RUNNER_TOOL_CACHE:-$RUNNER_TEMP}/modelaudit/$version/$target
archive=$folder/$asset
check() {
  if command -v sha256sum >/dev/null; then
    echo "$digest  $archive" | sha256sum --check --status
  else
    echo "$digest  $archive" | shasum -a 256 --check --status
  fi
}
mkdir -p "$folder"
if [ ! -f "$archive" ] || ! check; then
  url=${GITHUB_SERVER_URL:-https://github.com}/$ACTION_REPOSITORY/releases/download/v$version/$asset
  curl --fail --silent --show-error --location --proto '=https' --tlsv1.2 --retry 3 --max-time 300 --output "$archive" "$url"
  check || { rm -f "$archive"; echo "$asset is not the program of this revision" >&2; exit 2; }
fi
if [ "$INPUT_VERIFY_ATTESTATION" = true ]; then
  gh attestation verify "$archive" --repo "$ACTION_REPOSITORY"
fi
place=$(mktemp -d "$RUNNER_TEMP/modelaudit-XXXXXX")
tar -xzf "$archive" -C "$place" --strip-components=1
give "$place/modelaudit"
