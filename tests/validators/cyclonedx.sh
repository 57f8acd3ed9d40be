#!/bin/sh
# Fails unless the strict validators of CycloneDX's Python and JavaScript libraries take each file.
# Usage: cyclonedx.sh FILE...
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache
if [ ! -x "$cache/venv/bin/python" ] || [ ! -d "$cache/node/node_modules/@cyclonedx" ]; then
    echo "cyclonedx.sh: the validators are not installed, run tests/validators/install.sh" >&2
    exit 3
fi
status=0
"$cache/venv/bin/python" "$here/bom.py" "$@" || status=1
NODE_PATH="$cache/node/node_modules" node "$here/bom.js" "$@" || status=1
exit $status
