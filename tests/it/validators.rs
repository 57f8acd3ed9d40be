//! What reads our reports in the world says that they are right.
//!
//! The validators come from npm and PyPI, pinned in `tests/validators/`; `tests/validators/install.sh` installs them.
//! Without them these tests say so and pass.

use std::path::Path;
use std::process::Command;

use modelaudit::render::cyclonedx::{self, SpecVersion};
use modelaudit::render::sarif;

use crate::fixtures::root;
use crate::sample;

/// Runs a script of `tests/validators/` over all files of a folder.
fn run(script: &str, folder: &Path) {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    #[expect(clippy::disallowed_methods, reason = "the validators are programs of others")]
    let output = Command::new("sh").arg(root().join("tests/validators").join(script)).args(files).output().unwrap();
    assert!(output.status.success(), "{script}:\n{}", String::from_utf8_lossy(&output.stderr));
}

fn installed(test: &str) -> bool {
    let there = ["node", "venv"].iter().all(|name| root().join(".cache").join(name).join("installed").exists());
    if !there {
        eprintln!("SKIPPED {test}: run tests/validators/install.sh first");
    }
    there
}

#[test]
fn validators_accept_sarif() {
    if !installed("validators_accept_sarif") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, report) in sample::all() {
        // Only these have anything suppressed or fixed.
        let kinds: &[(&str, bool)] =
            if matches!(name, "rich" | "diff") { &[("plain", false), ("all", true)] } else { &[("plain", false)] };
        for &(kind, everything) in kinds {
            let options = sarif::Options {
                include_suppressed: everything,
                include_fixed: everything,
                category: everything.then(|| "project/a".to_owned()),
            };
            let mut bytes = Vec::new();
            sarif::write(&report, &options, &mut bytes).unwrap();
            std::fs::write(folder.path().join(format!("{name}-{kind}.sarif")), bytes).unwrap();
        }
    }
    run("sarif.sh", folder.path());
}

#[test]
fn validators_accept_cyclonedx() {
    if !installed("validators_accept_cyclonedx") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, report) in sample::all() {
        for version in [SpecVersion::V1_5, SpecVersion::V1_6, SpecVersion::V1_7] {
            let options = cyclonedx::Options { version, ..cyclonedx::Options::default() };
            let mut bytes = Vec::new();
            cyclonedx::write(&report, &options, &mut bytes).unwrap();
            std::fs::write(folder.path().join(format!("{name}-{}.cdx.json", version.as_str())), bytes).unwrap();
        }
    }
    run("cyclonedx.sh", folder.path());
}
