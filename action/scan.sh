#!/usr/bin/env bash
# Inputs become flags; everything else is decided by `modelaudit ci`, which also writes the outputs.
set -euo pipefail

args=(ci --explain --no-progress)
args+=(--mode "$INPUT_MODE" --fail-on "$INPUT_FAIL_ON" --lfs "$INPUT_LFS")
args+=(--comment "$INPUT_COMMENT" --comment-key "$INPUT_COMMENT_KEY" --upload-sarif "$INPUT_UPLOAD_SARIF")
[ -z "$INPUT_BASE" ] || args+=(--base "$INPUT_BASE")
[ -z "$INPUT_HEAD" ] || args+=(--head "$INPUT_HEAD")
[ -z "$INPUT_CONFIG" ] || args+=(--config "$INPUT_CONFIG")
[ -z "$INPUT_BASELINE" ] || args+=(--baseline "$INPUT_BASELINE")
[ -z "$INPUT_CATEGORY" ] || args+=(--category "$INPUT_CATEGORY")
[ -z "$INPUT_SARIF_FILE" ] || args+=(--sarif "$INPUT_SARIF_FILE")
[ -z "$INPUT_SBOM_FILE" ] || args+=(--sbom "$INPUT_SBOM_FILE")
[ -z "$INPUT_JSON_FILE" ] || args+=(--json "$INPUT_JSON_FILE")
[ -z "$INPUT_MARKDOWN_FILE" ] || args+=(--markdown "$INPUT_MARKDOWN_FILE")
[ "$INPUT_TRUST_HEAD_CONFIG" != true ] || args+=(--trust-head-config)
[ "$INPUT_SUMMARY" != false ] || args+=(--no-summary)
[ "$INPUT_ANNOTATIONS" != false ] || args+=(--no-annotations)
args+=(--)
while IFS= read -r path; do
  [ -z "$path" ] || args+=("$path")
done <<<"$INPUT_PATHS"
exec "$PROGRAM" "${args[@]}"
