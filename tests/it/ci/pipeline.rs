//! A remote with a pull request, clones of it as hosts make them, and runs in them.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{EVIL, PLAIN, Ran, Run, SAFE, bytes_of};
use crate::target::scratch::Scratch;

/// The remote and what is cloned from it.
pub(crate) struct Remote {
    scratch: Scratch,
    /// Where the branches parted.
    pub(crate) fork_point: String,
    /// The tip of `main`.
    pub(crate) main: String,
    /// The tip of `feature`, which is request 7.
    pub(crate) feature: String,
    /// The host's merge of the two.
    pub(crate) merge: String,
}

impl Remote {
    /// `main` has an old model with a finding and a safe one, then one more; `feature` adds a model with a finding.
    pub(crate) fn new() -> Self {
        Self::with(|feature| feature.write("models/new.pt", bytes_of(EVIL)))
    }

    /// As [`Remote::new`] with another change.
    pub(crate) fn with(change: impl FnOnce(&Scratch)) -> Self {
        let scratch = Scratch::folder();
        std::fs::create_dir(scratch.path("origin")).unwrap();
        let origin = scratch.at("origin");
        origin.git(&["init", "-q", "-b", "main"]);
        origin.write("models/old.pt", bytes_of(EVIL));
        origin.write("models/safe.safetensors", bytes_of(SAFE));
        let fork_point = origin.commit("models");
        origin.git(&["checkout", "-q", "-b", "feature"]);
        change(&origin);
        let feature = origin.commit("change");
        origin.git(&["checkout", "-q", "main"]);
        origin.write("models/main.pt", bytes_of(PLAIN));
        let main = origin.commit("more");
        origin.git(&["checkout", "-q", "--detach", "main"]);
        origin.git(&["merge", "-q", "--no-ff", "-m", "test merge", "feature"]);
        let merge = origin.git(&["rev-parse", "HEAD"]);
        origin.git(&["update-ref", "refs/pull/7/head", &feature]);
        origin.git(&["update-ref", "refs/pull/7/merge", &merge]);
        origin.git(&["checkout", "-q", "main"]);
        Self { scratch, fork_point, main, feature, merge }
    }

    /// The remote itself.
    pub(crate) fn origin(&self) -> Scratch {
        self.scratch.at("origin")
    }

    /// What `actions/checkout` leaves: one reference, with so much history (0: all).
    pub(crate) fn checkout(&self, reference: &str, depth: u32) -> Checkout<'_> {
        let dir = self.scratch.path("clone");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        let clone = self.scratch.at("clone");
        clone.git(&["init", "-q", "-b", "none"]);
        let url = format!("file://{}", self.scratch.path("origin").display());
        clone.git(&["remote", "add", "origin", &url]);
        let kept = match reference.strip_prefix("refs/heads/") {
            Some(branch) => format!("refs/remotes/origin/{branch}"),
            None => reference.replacen("refs/", "refs/remotes/", 1),
        };
        let depth = format!("--depth={depth}");
        let mut fetch = vec!["fetch", "-q", "--no-tags"];
        if depth != "--depth=0" {
            fetch.push(&depth);
        }
        let specification = format!("+{reference}:{kept}");
        let all = "+refs/heads/*:refs/remotes/origin/*";
        fetch.extend(["origin", &specification]);
        if depth == "--depth=0" {
            fetch.push(all);
        }
        clone.git(&fetch);
        match reference.strip_prefix("refs/heads/") {
            Some(branch) => clone.git(&["checkout", "-q", "-B", branch, &kept]),
            None => clone.git(&["checkout", "-q", "--detach", &kept]),
        };
        Checkout { clone, temporary: &self.scratch, env: Vec::new() }
    }

    /// The payload of a pull request's event.
    pub(crate) fn pull_request(&self, fork: bool) -> Value {
        json!({"number": 7, "pull_request": {
            "number": 7,
            "head": {"sha": self.feature, "ref": "feature", "repo": {"id": if fork { 2 } else { 1 }}},
            // Frozen when it was opened.
            "base": {"sha": self.fork_point, "ref": "main", "repo": {"id": 1}},
        }})
    }
}

/// A clone in which a pipeline runs.
pub(crate) struct Checkout<'r> {
    pub(crate) clone: Scratch,
    temporary: &'r Scratch,
    env: Vec<(String, String)>,
}

impl Checkout<'_> {
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// The variables of GitHub Actions.
    pub(crate) fn github(self, event: &str, reference: &str, payload: &Value) -> Self {
        let sha = self.clone.git(&["rev-parse", "HEAD"]);
        let folder = self.temporary;
        for name in ["output", "summary"] {
            folder.write(name, "");
        }
        folder.write("event.json", payload.to_string());
        let _ = std::fs::remove_dir_all(folder.path("temp"));
        std::fs::create_dir(folder.path("temp")).unwrap();
        let path = |name: &str| folder.path(name).to_string_lossy().into_owned();
        let (event_path, output, summary, temp) = (path("event.json"), path("output"), path("summary"), path("temp"));
        self.env("GITHUB_ACTIONS", "true")
            .env("GITHUB_EVENT_NAME", event)
            .env("GITHUB_EVENT_PATH", event_path)
            .env("GITHUB_REF", reference)
            .env("GITHUB_SHA", sha)
            .env("GITHUB_REPOSITORY", "me/models")
            .env("GITHUB_OUTPUT", output)
            .env("GITHUB_STEP_SUMMARY", summary)
            .env("RUNNER_TEMP", temp)
    }

    /// The run.
    pub(crate) fn ci(&self, args: &[&str]) -> Told {
        let mut run = Run::new("ci").dir(&self.clone.dir).arg("--explain").args(args);
        for (name, value) in &self.env {
            run = run.env(name, value);
        }
        let ran = run.run();
        let read = |name: &str| std::fs::read_to_string(self.temporary.path(name)).unwrap_or_default();
        let report = read("temp/modelaudit/modelaudit.json");
        Told {
            ran,
            report: serde_json::from_str(&report).unwrap_or_default(),
            outputs: read("output"),
            summary: read("summary"),
        }
    }

    /// A file of the job's temporary folder.
    pub(crate) fn temporary(&self, name: &str) -> String {
        std::fs::read_to_string(self.temporary.path("temp").join(name)).unwrap()
    }

    /// Where a run without a host's folder puts its reports.
    pub(crate) fn reports(&self) -> std::path::PathBuf {
        self.temporary.path("reports")
    }
}

/// What a run told.
pub(crate) struct Told {
    pub(crate) ran: Ran,
    pub(crate) report: Value,
    pub(crate) outputs: String,
    pub(crate) summary: String,
}

impl Told {
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.ran.code, code, "\n{}\n{}", self.ran.stdout, self.ran.stderr);
        self
    }

    /// Asserts what `--explain` or a note says.
    pub(crate) fn explains(self, text: &str) -> Self {
        assert!(self.ran.stderr.contains(text), "{text:?} is not in:\n{}\n{}", self.ran.stderr, self.ran.stdout);
        self
    }

    pub(crate) fn reads(self, path: &Path) -> Self {
        let report = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        Self { report, ..self }
    }

    /// The scanned files that hold a model.
    pub(crate) fn scanned(&self) -> Vec<&str> {
        self.report["coverage"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect()
    }

    /// The files of `S101` with their states.
    pub(crate) fn found(&self) -> Vec<String> {
        let issues = self.report["issues"].as_array().unwrap();
        let issues = issues.iter().filter(|issue| issue["rule_code"] == "S101");
        issues
            .map(|issue| format!("{} {}", issue["state"].as_str().unwrap(), issue["path"].as_str().unwrap()))
            .collect()
    }

    pub(crate) fn diff(&self, key: &str) -> &str {
        self.report["diff"][key].as_str().unwrap_or_default()
    }

    /// The value of an output.
    pub(crate) fn output(&self, name: &str) -> &str {
        let mut lines = self.outputs.lines();
        lines
            .find(|line| line.starts_with(&format!("{name}<<")))
            .unwrap_or_else(|| panic!("no {name} in {}", self.outputs));
        lines.next().unwrap()
    }
}
