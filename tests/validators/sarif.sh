#!/bin/sh
# Fails unless GitHub would take each SARIF file: Microsoft's SARIF and GitHub rules at error and warning level, then
# the check that GitHub's upload step makes. Usage: sarif.sh FILE...
set -eu
here=$(cd "$(dirname "$0")" && pwd)
modules=$(cd "$here/../.." && pwd)/.cache/node/node_modules
multitool=$modules/@microsoft/sarif-multitool-linux/Sarif.Multitool
if [ ! -x "$multitool" ]; then
    echo "sarif.sh: the validators are not installed, run tests/validators/install.sh" >&2
    exit 3
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
for file; do
    # It exits with 0 whatever it finds: what it finds is in the log that it writes, in SARIF again.
    rm -f "$work/found.sarif"
    DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 "$multitool" validate "$file" --rule-kind "Sarif;Ghas" \
        --level "Error;Warning" --log ForceOverwrite --output "$work/found.sarif" >"$work/output" 2>&1 || true
    if [ ! -s "$work/found.sarif" ]; then
        echo "$file: Multitool wrote no log:" >&2
        cat "$work/output" >&2
        status=1
        continue
    fi
    NODE_PATH=$modules node "$here/sarif.js" "$file" "$work/found.sarif" || status=1
done
exit $status
