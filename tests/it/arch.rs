//! The walls between the modules, kept by reading the sources.

use std::path::{Path, PathBuf};

use crate::fixtures::root;

/// Which modules may name which: the table of `docs/architecture.md`, nothing else is allowed.
const MAY_USE: &[(&str, &[&str])] = &[
    ("bytes", &[]),
    ("escape", &[]),
    ("extension", &[]),
    ("fact", &["bytes"]),
    ("finding", &["fact", "bytes"]),
    ("names", &[]),
    ("decode", &["bytes", "names"]),
    ("inspect", &["fact", "bytes", "escape"]),
    ("formats", &["inspect", "decode", "fact", "bytes", "escape", "extension", "names"]),
    ("report", &["finding"]),
    ("rules", &["fact", "finding", "bytes", "escape", "report", "names"]),
    ("scan", &["formats", "fact", "bytes", "report", "rules", "inspect", "escape", "extension"]),
    ("target", &["bytes", "config", "report", "escape", "extension"]),
    ("policy", &["rules", "finding", "config", "suppress", "report", "bytes", "fact", "escape"]),
    ("ci", &["cli", "config", "target", "run", "report", "finding", "render", "escape", "bytes"]),
    ("suppress", &["rules", "finding", "config", "escape", "report"]),
    ("config", &["rules", "finding", "bytes", "formats", "escape"]),
    ("render", &["report", "finding", "escape"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The modules of this crate that a source names, tests left out.
fn uses(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut names: Vec<String> = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.match_indices("crate::").map(|(at, _)| &line[at + 7..]).collect::<Vec<_>>())
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => {
                list.split([',', '}']).map(|item| item.trim().split("::").next().unwrap_or("").to_owned()).collect()
            }
            None => vec![rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned()],
        })
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn modules_use_only_what_the_architecture_allows() {
    let src = root().join("src");
    let mut wrong = Vec::new();
    for path in sources(&src) {
        let relative = path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
        let module = relative.split(['/', '.']).next().unwrap();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else { continue };
        for used in uses(&std::fs::read_to_string(&path).unwrap()) {
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{relative} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `cli`, `commands` and `run` put the parts together and may use them all.
#[test]
fn the_table_names_every_module() {
    let src = root().join("src");
    let library = std::fs::read_to_string(src.join("lib.rs")).unwrap();
    let modules = library.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'));
    for module in modules.filter(|module| !matches!(*module, "cli" | "commands" | "run")) {
        assert!(MAY_USE.iter().any(|(name, _)| *name == module), "{module} is not in the table");
    }
}

#[test]
fn files_stay_readable() {
    let mut long = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in sources(&root().join(folder)) {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            if lines > 600 {
                long.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}
