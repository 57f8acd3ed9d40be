#!/usr/bin/env bash
# pre-commit installs the hooks of this revision from a clone, without any index, and they stop what they should.
# Usage: hooks.sh PROGRAM, the program to put into the wheel.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
MODELAUDIT_PROGRAM=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
pre_commit=$root/.cache/venv/bin/pre-commit
[ -x "$pre_commit" ] || { echo "hooks.sh: run tests/validators/install.sh first" >&2; exit 3; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# No index, no settings and no cache of the user's.
export MODELAUDIT_PROGRAM PRE_COMMIT_HOME=$work/cache PIP_NO_INDEX=1 PIP_CONFIG_FILE=/dev/null
export GIT_CONFIG_GLOBAL=$work/gitconfig GIT_CONFIG_NOSYSTEM=1
git config --global user.name A
git config --global user.email a@example.org
git config --global init.defaultBranch main
# The clone may belong to another user than the one who runs this, as in containers.
git config --global safe.directory '*'
unset CI GITHUB_ACTIONS GITLAB_CI TF_BUILD

git clone --quiet --depth=1 "file://$root" "$work/hooks"
# What is not committed yet is part of what is tested.
for file in .pre-commit-hooks.yaml pyproject.toml Cargo.toml tools/release/program_wheel.py; do
  cp "$root/$file" "$work/hooks/$file"
done
git -C "$work/hooks" add -A
git -C "$work/hooks" diff --cached --quiet || git -C "$work/hooks" commit --quiet --message hooks
rev=$(git -C "$work/hooks" rev-parse HEAD)

mkdir "$work/models"
cd "$work/models"
git init --quiet
cat >.pre-commit-config.yaml <<CONFIG
repos:
  - repo: file://$work/hooks
    rev: $rev
    hooks:
      - id: modelaudit
      - id: modelaudit-push
CONFIG
cp "$root/fixtures/torch/plain.pt" old.pt
git add -A
git commit --quiet --message start
base=$(git rev-parse HEAD)

# expect CODE TEXT COMMAND...
expect() {
  local code=$1 text=$2 got=0
  shift 2
  "$@" >"$work/output" 2>&1 || got=$?
  if [ "$got" != "$code" ] || ! grep -qF -- "$text" "$work/output"; then
    echo "hooks.sh: $* exited with $got, expected $code and \"$text\"" >&2
    cat "$work/output" "$work/cache/pre-commit.log" >&2 2>/dev/null || true
    exit 1
  fi
}

cp "$root/fixtures/safetensors/plain.safetensors" good.safetensors
git add good.safetensors
expect 0 Passed "$pre_commit" try-repo "$work/hooks" modelaudit
expect 0 Passed "$pre_commit" run modelaudit

# The index counts, not what lies on the disk.
cp "$root/fixtures/torch/os-system.pt" evil.pt
expect 0 Passed "$pre_commit" run modelaudit
git add evil.pt
expect 1 S101 "$pre_commit" run modelaudit
expect 1 S101 "$pre_commit" try-repo "$work/hooks" modelaudit

# The hook that git itself calls.
"$pre_commit" install --install-hooks --hook-type pre-commit --hook-type pre-push >/dev/null
expect 1 S101 git commit --message evil
git commit --quiet --no-verify --message evil
evil=$(git rev-parse HEAD)
git rm --quiet evil.pt
expect 0 "" git commit --message repaired

push=("$pre_commit" run modelaudit-push --hook-stage pre-push)
expect 1 S101 "${push[@]}" --from-ref "$base" --to-ref "$evil"
expect 0 Passed "${push[@]}" --from-ref "$base" --to-ref HEAD
git init --quiet --bare "$work/remote"
git remote add origin "$work/remote"
git push --quiet --no-verify origin "$base:refs/heads/main"
expect 1 S101 git push origin "$evil:refs/heads/main"
expect 0 "" git push origin HEAD:refs/heads/main
echo "hooks.sh: pre-commit takes the hooks, and they stop what they should"
