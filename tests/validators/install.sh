#!/bin/sh
# Installs the validators, pinned, under .cache/ of the repository. Does nothing if they are there already.
# Needs node with npm, and python3 with venv.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache
mkdir -p "$cache/node"

if ! cmp -s "$here/package-lock.json" "$cache/node/installed"; then
    cp "$here/package.json" "$here/package-lock.json" "$cache/node/"
    # No package may run a script of its own while it is installed.
    (cd "$cache/node" && npm ci --silent --no-audit --no-fund --ignore-scripts)
    chmod u+x "$cache/node/node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"
    cp "$here/package-lock.json" "$cache/node/installed"
fi

if ! cmp -s "$here/requirements.txt" "$cache/venv/installed"; then
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$cache/venv/installed"
fi
