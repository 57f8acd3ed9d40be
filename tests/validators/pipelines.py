"""Writes the pipelines of the documentation and the GitLab component as files that a schema can be held against.

Usage: pipelines.py FOLDER. Files are named after the schema: `github-workflows-1.yml`, `gitlab-ci-2.yml`….
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A page, and which of its YAML blocks are of which kind.
PAGES = {
    "docs/ci/github.md": ["github-workflows", "github-workflows"],
    "docs/ci/gitlab.md": ["gitlab-ci"],
    "docs/ci/azure.md": ["azure-pipelines"],
    "docs/ci/pre-commit.md": ["pre-commit-config"],
    "README.md": ["github-jobs", "gitlab-ci"],
}


def blocks(page):
    return re.findall(r"^```yaml\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def component(text):
    """The job of the component with the defaults of its inputs filled in, as GitLab does it before it reads the job."""
    header, job = text.split("\n---\n")
    inputs = {}
    for name, body in re.findall(r"^    (\w+):\n((?:      .*\n)+)", header + "\n", re.MULTILINE):
        found = re.search(r"^      default: (.*)$", body, re.MULTILINE)
        inputs[name] = found.group(1).strip('"') if found else "example.org/image"
    for name in set(re.findall(r"\$\[\[ inputs\.(\w+) \]\]", job)):
        job = job.replace(f"$[[ inputs.{name} ]]", inputs[name])
    assert "$[[" not in job, job
    return header, job


def main(folder):
    count = 0

    def write(kind, text):
        nonlocal count
        count += 1
        (folder / f"{kind}-{count}.yml").write_text(text, encoding="utf-8")

    for page, kinds in PAGES.items():
        found = blocks(page)
        assert len(found) == len(kinds), f"{page} has {len(found)} blocks of YAML"
        for kind, text in zip(kinds, found):
            if kind == "github-jobs":
                kind, text = "github-workflows", "on: pull_request\n" + text
            write(kind, text)
    header, job = component((ROOT / "templates/modelaudit.yml").read_text(encoding="utf-8"))
    write("gitlab-ci", header + "\n")
    write("gitlab-ci", job)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
