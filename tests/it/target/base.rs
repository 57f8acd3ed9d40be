//! What a change is compared with, and that a missing base is never an empty pass.

use super::scratch::{Scratch, changed, paths, request};
use modelaudit::target::{Mode, Plan};

/// `origin` with `main` (old.pt, then main.pt) and `feature` (old.pt, then new.pt) in the folder of the scratch.
fn origin() -> Scratch {
    let scratch = Scratch::folder();
    std::fs::create_dir(scratch.path("origin")).unwrap();
    let origin = scratch.at("origin");
    origin.git(&["init", "-q", "-b", "main"]);
    origin.write("old.pt", "old");
    origin.commit("old");
    origin.git(&["checkout", "-q", "-b", "feature"]);
    origin.write("new.pt", "new");
    origin.commit("new");
    origin.git(&["checkout", "-q", "main"]);
    origin.write("main.pt", "main");
    origin.commit("main");
    scratch
}

fn clone(scratch: &Scratch, args: &[&str]) -> Scratch {
    let url = format!("file://{}", scratch.path("origin").display());
    scratch.git(&[&["clone", "-q"], args, &[&*url, "clone"]].concat());
    scratch.at("clone")
}

fn base(plan: &Plan) -> Option<&str> {
    plan.diff.as_ref().unwrap().base.as_deref()
}

fn reason(plan: &Plan) -> &str {
    plan.diff.as_ref().unwrap().full_scan_reason.as_deref().unwrap_or_default()
}

#[test]
fn a_clone_of_a_branch_is_compared_with_the_default_branch_of_its_remote() {
    let scratch = origin();
    let clone = clone(&scratch, &[]);
    clone.git(&["checkout", "-q", "feature"]);
    let plan = clone.diff("");
    assert_eq!(base(&plan), Some("origin/HEAD"), "not the upstream origin/feature, which has everything");
    assert_eq!(changed(&plan), ["added new.pt"]);
    clone.git(&["branch", "-q", "--set-upstream-to=origin/main"]);
    assert_eq!(base(&clone.diff("")), Some("origin/main"));
}

#[test]
fn without_any_base_everything_is_scanned_and_the_report_says_why() {
    let scratch = Scratch::repository();
    scratch.write("a.pt", "a");
    scratch.commit("a");
    let plan = scratch.diff("");
    assert_eq!(paths(&plan), ["a.pt"]);
    assert!(reason(&plan).starts_with("no base was found"));
    assert!(changed(&plan).is_empty());
}

#[test]
fn a_build_of_the_default_branch_is_no_empty_pass() {
    let scratch = origin();
    let clone = clone(&scratch, &[]);
    let plan = clone.diff("");
    assert_eq!(paths(&plan), ["main.pt", "old.pt"]);
    assert!(reason(&plan).contains("nothing to compare"));
}

#[test]
fn a_shallow_clone_without_the_base_scans_everything() {
    let scratch = origin();
    let shallow = clone(&scratch, &["--depth=1", "--branch=feature"]);
    for plan in [shallow.diff(""), shallow.diff("origin/main")] {
        assert_eq!(paths(&plan), ["new.pt", "old.pt"]);
        assert!(!reason(&plan).is_empty());
    }
    let shallow = shallow.with_env("GITHUB_EVENT_NAME", "pull_request").with_env("GITHUB_BASE_REF", "main");
    let plan = shallow.diff("");
    assert_eq!(paths(&plan), ["new.pt", "old.pt"]);
    assert!(reason(&plan).contains("`origin/main`") && reason(&plan).contains("git fetch origin main"));
}

#[test]
fn a_shallow_clone_with_the_tip_of_the_base_is_compared_with_it() {
    let scratch = origin();
    let shallow = clone(&scratch, &["--depth=1", "--no-single-branch", "--branch=feature"]);
    let plan = shallow.diff("origin/main");
    assert_eq!(changed(&plan), ["added new.pt"]);
    assert_eq!(reason(&plan), "");
    assert!(plan.notes.iter().any(|note| note.contains("no merge base")), "{:?}", plan.notes);
}

#[test]
fn a_base_that_is_mistyped_is_an_error() {
    let scratch = origin();
    let error = scratch.at("origin").try_plan(&request(&[], Mode::Diff { base: Some("mian".into()), head: None }));
    assert!(error.unwrap_err().to_string().starts_with("revision `mian` is not in this repository\nhelp: "));
}

fn payload(scratch: &Scratch, json: &str) -> String {
    scratch.write("event.json", json);
    scratch.path("event.json").to_string_lossy().into_owned()
}

#[test]
fn a_pull_request_is_compared_with_the_first_parent_of_its_test_merge() {
    let scratch = origin();
    let head = scratch.at("origin").git(&["rev-parse", "feature"]);
    let clone = clone(&scratch, &[]);
    clone.git(&["checkout", "-q", "--detach", "origin/main"]);
    clone.git(&["merge", "-q", "--no-ff", "-m", "test merge", "origin/feature"]);
    let json = format!(r#"{{"pull_request":{{"head":{{"sha":"{head}"}},"base":{{"ref":"main","sha":"{head}"}}}}}}"#);
    let event = payload(&scratch, &json);
    let clone = clone.with_env("GITHUB_EVENT_NAME", "pull_request").with_env("GITHUB_EVENT_PATH", event);
    let plan = clone.diff("");
    assert_eq!((base(&plan), changed(&plan)), (Some("HEAD^1"), vec!["added new.pt".to_owned()]));
}

#[test]
fn a_merge_of_the_base_into_the_branch_is_no_test_merge() {
    let scratch = origin();
    let clone = clone(&scratch, &[]);
    clone.git(&["checkout", "-q", "feature"]);
    clone.git(&["merge", "-q", "--no-ff", "-m", "update", "origin/main"]);
    let head = clone.git(&["rev-parse", "HEAD"]);
    let event =
        payload(&scratch, &format!(r#"{{"pull_request":{{"head":{{"sha":"{head}"}},"base":{{"ref":"main"}}}}}}"#));
    let clone = clone.with_env("GITHUB_EVENT_NAME", "pull_request").with_env("GITHUB_EVENT_PATH", event);
    let plan = clone.diff("");
    assert_eq!((base(&plan), changed(&plan)), (Some("origin/main"), vec!["added new.pt".to_owned()]));
}

#[test]
fn merge_queues_are_known_by_event_and_by_branch() {
    let scratch = origin();
    let clone = clone(&scratch, &[]);
    let main = clone.git(&["rev-parse", "origin/main"]);
    let queue = format!("gh-readonly-queue/main/pr-7-{main}");
    clone.git(&["checkout", "-q", "-b", &queue]);
    clone.git(&["merge", "-q", "--no-ff", "-m", "queued", "origin/feature"]);
    let plan = clone.diff("");
    assert_eq!((base(&plan), changed(&plan)), (Some(&*main), vec!["added new.pt".to_owned()]));
    clone.git(&["checkout", "-q", "--detach"]);
    let event = payload(&scratch, &format!(r#"{{"merge_group":{{"base_sha":"{main}","head_sha":"x"}}}}"#));
    let clone = clone.with_env("GITHUB_EVENT_NAME", "merge_group").with_env("GITHUB_EVENT_PATH", event);
    assert_eq!(changed(&clone.diff("")), ["added new.pt"]);
}

#[test]
fn pushes_are_compared_with_what_was_there_before() {
    let scratch = origin();
    let before = scratch.at("origin").git(&["rev-parse", "main~1"]);
    let push = |before: &str, branch: &str| {
        let json = format!(r#"{{"before":"{before}","repository":{{"default_branch":"main"}}}}"#);
        let event = payload(&scratch, &json);
        let here = scratch.at("clone").with_env("GITHUB_EVENT_NAME", "push").with_env("GITHUB_EVENT_PATH", event);
        here.with_env("GITHUB_REF", format!("refs/heads/{branch}"))
    };
    let clone = clone(&scratch, &[]);
    assert_eq!(changed(&push(&before, "main").diff("")), ["added main.pt"]);
    let zeros = "0".repeat(40);
    assert!(!reason(&push(&zeros, "main").diff("")).is_empty(), "a new default branch has no base");
    clone.git(&["checkout", "-q", "feature"]);
    assert_eq!(base(&push(&zeros, "feature").diff("")), Some("origin/main"));
    assert_eq!(base(&push(&"1".repeat(40), "feature").diff("")), Some("origin/main"), "gone after a forced push");
    let scheduled = scratch.at("clone").with_env("GITHUB_EVENT_NAME", "schedule");
    assert!(!reason(&scheduled.diff("")).is_empty());
}

#[test]
fn other_hosts_name_their_base_in_variables() {
    let scratch = origin();
    let old = scratch.at("origin").git(&["rev-parse", "main~1"]);
    clone(&scratch, &[]).git(&["checkout", "-q", "--detach", "origin/feature"]);
    let with = |name, value: &str| scratch.at("clone").with_env(name, value).diff("");
    let plan = with("CI_MERGE_REQUEST_DIFF_BASE_SHA", &old);
    assert_eq!((base(&plan), changed(&plan)), (Some(&*old), vec!["added new.pt".to_owned()]));
    assert_eq!(base(&with("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/main")), Some("origin/main"));
    assert_eq!(base(&with("CHANGE_TARGET", "main")), Some("origin/main"));
    assert_eq!(base(&with("PRE_COMMIT_FROM_REF", "origin/main")), Some("origin/main"));
    let plan = with("CI_MERGE_REQUEST_DIFF_BASE_SHA", "--upload-pack=x");
    assert!(!reason(&plan).is_empty(), "what could be an option is no revision");
}
