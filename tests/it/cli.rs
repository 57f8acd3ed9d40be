//! The program as its users meet it: arguments in, an exit code and two streams out.

mod baseline;
mod codes;
mod commands;
mod outputs;
mod policy;
mod review;
mod secrets;
mod targets;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::fixtures::root;

/// A fixture whose loading calls `os.system`.
pub(crate) const EVIL: &str = "torch/os-system.pt";
/// Its twin, which holds tensors alone.
pub(crate) const PLAIN: &str = "torch/plain.pt";
/// A sound file of safetensors.
pub(crate) const SAFE: &str = "safetensors/plain.safetensors";

/// A run of the built program to be: its arguments, folder, variables and standard input.
pub(crate) struct Run {
    command: Command,
    dir: PathBuf,
    input: Vec<u8>,
}

/// What came of it, with the program's version and the folder replaced.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// A run of one command, in an environment that says nothing: no home, no CI, no colours, 80 columns.
    pub(crate) fn new(name: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_modelaudit"));
        command.env_clear().env("HOME", "/nonexistent").env("COLUMNS", "80");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        for (name, value) in [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")] {
            command.env(name, value);
        }
        command.args(Some(name).filter(|name| !name.is_empty()));
        Self { command, dir: root().to_owned(), input: Vec::new() }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs there instead of in the root of this repository.
    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        dir.clone_into(&mut self.dir);
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    pub(crate) fn run(mut self) -> Ran {
        self.command.current_dir(&self.dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        // A program that does not read its input closes it: no failure of the test.
        let _ = child.stdin.take().unwrap().write_all(&self.input);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            text.replace(&*self.dir.to_string_lossy(), "[DIR]").replace(env!("CARGO_PKG_VERSION"), "[VERSION]")
        };
        let code = output.status.code().unwrap_or_else(|| panic!("ended by a signal: {}", output.status));
        Ran { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// Fails the test unless the exit code is this one.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails the test unless standard output has this text, wrapped or not.
    pub(crate) fn says(self, text: &str) -> Self {
        let flat = self.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            self.stdout.contains(text) || flat.contains(text),
            "{text:?} is not in:\n{}\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Fails the test if standard output has this text.
    pub(crate) fn omits(self, text: &str) -> Self {
        assert!(!self.stdout.contains(text), "{text:?} is in:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails the test unless standard error has this text.
    pub(crate) fn warns(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in:\n{}\n{}", self.stderr, self.stdout);
        self
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

/// A folder outside of any repository.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        self
    }

    /// Puts a fixture there.
    pub(crate) fn with(self, fixture: &str, name: &str) -> Self {
        self.write(name, bytes_of(fixture))
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap()
    }

    /// The start of a command that runs there.
    pub(crate) fn run(&self, name: &str) -> Run {
        Run::new(name).dir(&self.path())
    }

    /// The start of a scan there whose report has no times.
    pub(crate) fn scan(&self) -> Run {
        self.run("scan").arg("--reproducible")
    }
}

/// The bytes of a fixture.
pub(crate) fn bytes_of(fixture: &str) -> Vec<u8> {
    std::fs::read(root().join("fixtures").join(fixture)).unwrap()
}

/// The codes of a JSON report's findings that count, each once.
pub(crate) fn codes(report: &Value) -> Vec<String> {
    let mut codes: Vec<String> = report["issues"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|issue| issue["suppression"].is_null())
        .map(|issue| issue["rule_code"].as_str().unwrap().to_owned())
        .collect();
    codes.sort();
    codes.dedup();
    codes
}
