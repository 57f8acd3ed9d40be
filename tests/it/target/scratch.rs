//! Scratch folders and repositories.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use modelaudit::target::{Context, GitEnv, Mode, Plan, Pointed, Request, Target, TargetError, resolve};

/// A temporary folder, and git in it with a fixed author and date and nobody's configuration.
pub(super) struct Scratch {
    _temporary: Option<tempfile::TempDir>,
    pub(super) dir: PathBuf,
    pub(super) env: Vec<(&'static str, String)>,
}

impl Scratch {
    /// An empty folder.
    pub(super) fn folder() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().canonicalize().unwrap();
        Self { _temporary: Some(temporary), dir, env: Vec::new() }
    }

    /// A repository on branch `main` without commits.
    pub(super) fn repository() -> Self {
        let scratch = Self::folder();
        scratch.git(&["init", "-q", "-b", "main"]);
        scratch
    }

    /// The same helpers at another place that lives as long as this one.
    pub(super) fn at(&self, dir: &str) -> Self {
        Self { _temporary: None, dir: self.dir.join(dir), env: Vec::new() }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    pub(super) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[cfg(unix)]
    pub(super) fn link(&self, target: &str, path: &str) {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    /// Runs git here and gives its output.
    pub(super) fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GIT_")) {
            command.env_remove(name);
        }
        let output = command
            .current_dir(&self.dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(["-c", "protocol.file.allow=always", "-c", "gc.auto=0"])
            .args(["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"])
            .env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z")
            .env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z")
            .stdin(Stdio::null())
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Commits everything and gives the commit's id.
    pub(super) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Sets a variable of the environment that the plan sees.
    pub(super) fn with_env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    fn context(&self) -> Context {
        let lookup = |name: &str| self.env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        Context { dir: self.dir.clone(), env: GitEnv::from_lookup(lookup) }
    }

    pub(super) fn try_plan(&self, request: &Request) -> Result<Plan, TargetError> {
        resolve(request, &self.context())
    }

    pub(super) fn plan(&self, request: &Request) -> Plan {
        self.try_plan(request).unwrap()
    }

    /// Scans paths.
    pub(super) fn scan(&self, specs: &[&str]) -> Plan {
        self.plan(&request(specs, Mode::Paths))
    }

    /// Compares with a base.
    pub(super) fn diff(&self, base: &str) -> Plan {
        self.plan(&request(&[], Mode::Diff { base: Some(base).filter(|b| !b.is_empty()).map(Into::into), head: None }))
    }

    pub(super) fn staged(&self) -> Plan {
        self.plan(&request(&[], Mode::Staged))
    }
}

pub(super) fn request(specs: &[&str], mode: Mode) -> Request {
    Request { specs: specs.iter().map(|spec| (*spec).to_owned()).collect(), mode, ..Request::default() }
}

/// The paths to scan.
pub(super) fn paths(plan: &Plan) -> Vec<&str> {
    plan.targets.iter().map(|target| target.path.as_str()).collect()
}

/// The changed files as `kind path` or `kind path <- from`.
pub(super) fn changed(plan: &Plan) -> Vec<String> {
    let change = |change: &modelaudit::report::Change| match &change.from {
        Some(from) => format!("{} {} <- {from}", change.change, change.path),
        None => format!("{} {}", change.change, change.path),
    };
    plan.diff.as_ref().unwrap().changed.iter().map(change).collect()
}

/// The files left out as `path: reason`.
pub(super) fn skipped(plan: &Plan) -> Vec<String> {
    plan.skipped.iter().map(|file| format!("{}: {}", file.path, file.reason.as_deref().unwrap_or(""))).collect()
}

pub(super) fn target<'p>(plan: &'p Plan, path: &str) -> &'p Target {
    plan.targets.iter().find(|target| target.path == path).unwrap_or_else(|| panic!("no {path} in {:?}", paths(plan)))
}

/// All bytes of a target.
pub(super) fn bytes(target: &Target) -> Vec<u8> {
    target.open().unwrap().read_range(0, usize::MAX).unwrap()
}

pub(super) fn is_resolved(target: &Target) -> bool {
    matches!(target.state, Pointed::Resolved { .. })
}

/// True if the text has no absolute path of the scratch folder.
pub(super) fn hides(plan: &Plan, dir: &Path) -> bool {
    !format!("{:?}{:?}{:?}", plan.skipped, plan.errors, plan.notes).contains(&*dir.to_string_lossy())
        && plan.targets.iter().all(|target| !target.path.contains(&*dir.to_string_lossy()))
}
