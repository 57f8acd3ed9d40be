//! A change under review: only what it touches is scanned, and what it did not bring is told apart.

use serde_json::Value;

use super::{EVIL, Ran, Run, SAFE, bytes_of};
use crate::fixtures::root;
use crate::target::scratch::Scratch;

/// A pickle of data that calls `os.system`, a harmless one, and one whose call the change removes.
const CALLS: &[u8] = b"\x80\x02cos\nsystem\nX\x14\x00\x00\x00# modelaudit-fixture\x85R.";
const DATA: &[u8] = b"\x80\x02]q\x00(K\x01K\x02e.";
const EVAL: &[u8] = b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.";

/// A pickle of numbers, unlike any other file here.
fn numbers(first: u8) -> Vec<u8> {
    let items = (first..200).flat_map(|number| [b'K', number]);
    b"\x80\x02](".iter().copied().chain(items).chain(*b"e.").collect()
}

/// `origin` with `main`, and `feature` that adds a malicious file, replaces what another calls, and renames a third.
fn origin() -> Scratch {
    let scratch = Scratch::folder();
    std::fs::create_dir(scratch.path("origin")).unwrap();
    let origin = scratch.at("origin");
    origin.git(&["init", "-q", "-b", "main"]);
    origin.write("model.safetensors", bytes_of(SAFE));
    origin.write("untouched.pkl", CALLS);
    origin.write("another.pt", numbers(0));
    origin.write("changing.pkl", EVAL);
    origin.write("third.pkl", CALLS);
    origin.write("README.md", "text");
    origin.commit("base");
    origin.git(&["checkout", "-q", "-b", "feature"]);
    origin.write("model.pt", bytes_of(EVIL));
    origin.write("another.pt", numbers(1));
    origin.write("changing.pkl", DATA);
    origin.git(&["mv", "third.pkl", "renamed.pkl"]);
    origin.write("README.md", "other text");
    origin.commit("change");
    scratch
}

fn scan(at: &Scratch) -> Run {
    Run::new("scan").dir(&at.dir).arg("--reproducible")
}

fn diff(at: &Scratch, args: &[&str]) -> Value {
    scan(at).args(["-f", "json"]).args(args).run().exits(1).json()
}

/// `path code state` of each finding, fixed ones included.
fn states(report: &Value) -> Vec<String> {
    let fixed = report["diff"]["fixed"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = report["issues"].as_array().unwrap().iter().chain(fixed);
    all.map(|one| format!("{} {} {}", text(&one["path"]), text(&one["rule_code"]), text(&one["state"]))).collect()
}

fn changes(report: &Value) -> Vec<String> {
    let all = report["diff"]["changed"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    all.iter()
        .map(|change| format!("{} {}", change["change"].as_str().unwrap(), change["path"].as_str().unwrap()))
        .collect()
}

const CHANGES: [&str; 4] = ["modified another.pt", "modified changing.pkl", "added model.pt", "renamed renamed.pkl"];
const STATES: [&str; 3] = ["model.pt S101 new", "renamed.pkl S101 unchanged", "changing.pkl S104 fixed"];

#[test]
fn a_branch_is_compared_with_main() {
    let scratch = origin();
    let report = diff(&scratch.at("origin"), &["--diff", "main"]);
    assert_eq!(changes(&report), CHANGES);
    assert_eq!(states(&report), STATES);
    assert_eq!(report["diff"]["full_scan_reason"], Value::Null);
    assert_eq!(report["files_scanned"], 4);
    // Found by itself, and given in other ways.
    for args in [&["--diff"][..], &["--base", "main"], &["--head", "feature"], &["--base", "main", "--head", "HEAD"]] {
        assert_eq!(states(&diff(&scratch.at("origin"), args)), STATES, "{args:?}");
    }
}

#[test]
fn one_run_gives_the_reviewer_every_report() {
    let scratch = origin();
    let origin = scratch.at("origin");
    let ran = scan(&origin).args(["--diff", "main", "--sarif", "a.sarif", "--sbom", "b.json", "--markdown", "c.md"]);
    let ran = ran.run().exits(1).says("4 changed files").says("  renamed      renamed.pkl (from third.pkl)");
    let ran = ran.says("[new]").says("[unchanged]").says("1 fixed").omits("untouched.pkl");
    assert_eq!(ran.stderr, "");
    let read = |name: &str| std::fs::read_to_string(origin.path(name)).unwrap();
    let sarif: Value = serde_json::from_str(&read("a.sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let states: Vec<&str> = results.iter().filter_map(|result| result["baselineState"].as_str()).collect();
    assert!(states.contains(&"new") && states.contains(&"unchanged"), "{states:?}");
    let bom: Value = serde_json::from_str(&read("b.json")).unwrap();
    assert!(bom.to_string().contains("model.pt") && !bom.to_string().contains("untouched.pkl"));
    let comment = read("c.md");
    for part in ["model.pt", "renamed.pkl", "S101"] {
        assert!(comment.contains(part), "{part}: {comment}");
    }
    assert!(!comment.contains("untouched.pkl") && !comment.contains("README.md"), "{comment}");
    validate(&origin, "sarif.sh", "a.sarif");
    validate(&origin, "cyclonedx.sh", "b.json");
}

/// The consumers' own validators, where they are installed.
fn validate(at: &Scratch, script: &str, report: &str) {
    if !["node", "venv"].iter().all(|name| root().join(".cache").join(name).join("installed").exists()) {
        eprintln!("SKIPPED {script}: run tests/validators/install.sh first");
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "the validators are programs of others")]
    let mut command = std::process::Command::new("sh");
    let output = command.arg(root().join("tests/validators").join(script)).arg(at.path(report)).output().unwrap();
    assert!(output.status.success(), "{script}:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A clone of the tip of `feature` and nothing else.
fn shallow(scratch: &Scratch) -> Scratch {
    let url = format!("file://{}", scratch.path("origin").display());
    scratch.git(&["clone", "-q", "--depth", "1", "--branch", "feature", &url, "shallow"]);
    scratch.at("shallow")
}

#[test]
fn a_shallow_clone_without_the_base_is_scanned_whole_and_says_so() {
    let scratch = origin();
    let clone = shallow(&scratch);
    let report = diff(&clone, &["--diff", "main"]);
    let reason = report["diff"]["full_scan_reason"].as_str().unwrap();
    assert!(reason.contains("main"), "{reason}");
    let found = ["model.pt S101 new", "renamed.pkl S101 new", "untouched.pkl S101 new"];
    assert_eq!(states(&report), found);
    let told = scan(&clone).args(["--diff", "main"]).run().exits(1);
    told.says("everything was scanned:");
    let told: Ran = scan(&clone).args(["--diff", "main", "-f", "markdown"]).run().exits(1);
    assert!(told.stdout.contains("untouched.pkl"), "{}", told.stdout);
}

#[test]
fn a_shallow_clone_with_the_base_tip_is_compared_with_it() {
    let scratch = origin();
    let clone = shallow(&scratch);
    clone.git(&["fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main"]);
    for base in ["main", "origin/main", "refs/remotes/origin/main"] {
        let report = diff(&clone, &["--diff", base]);
        assert_eq!(report["diff"]["full_scan_reason"], Value::Null);
        assert_eq!(changes(&report), CHANGES, "{base}");
        assert_eq!(states(&report), STATES, "{base}");
    }
    // As the hosts of pull requests tell the base.
    let report = scan(&clone).args(["--diff", "-f", "json"]).env("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main").run();
    assert_eq!(states(&report.exits(1).json()), STATES);
}

#[test]
fn a_bare_repository_has_no_working_tree_to_read() {
    let scratch = origin();
    scratch.git(&["clone", "-q", "--bare", "origin", "bare.git"]);
    let report = diff(&scratch.at("bare.git"), &["--base", "main", "--head", "feature"]);
    assert_eq!(
        (changes(&report), states(&report)),
        (CHANGES.map(str::to_owned).to_vec(), STATES.map(str::to_owned).to_vec())
    );
}

#[test]
fn what_is_staged_is_what_will_be_committed() {
    let scratch = origin();
    let origin = scratch.at("origin");
    scan(&origin).arg("--staged").run().exits(0).says("0 changed files");
    origin.write("next.pkl", CALLS);
    scan(&origin).arg("--staged").run().exits(0);
    origin.git(&["add", "next.pkl"]);
    // The index has it, whatever the working tree says now.
    origin.write("next.pkl", DATA);
    let report = diff(&origin, &["--staged"]);
    assert_eq!(
        (changes(&report), states(&report)),
        (vec!["added next.pkl".to_owned()], vec!["next.pkl S101 new".to_owned()])
    );
}

#[test]
fn a_wrong_base_is_an_error() {
    let scratch = origin();
    let origin = scratch.at("origin");
    scan(&origin)
        .args(["--diff", "no-such-branch"])
        .run()
        .exits(2)
        .warns("revision `no-such-branch` is not in this repository");
    scan(&origin).args(["--base", "no-such-branch"]).run().exits(2);
    scan(&scratch).args(["--diff", "main"]).run().exits(2);
}
