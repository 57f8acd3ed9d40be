//! Every event: what is compared with what, what is scanned, and what is told.

use serde_json::{Value, json};

use super::pipeline::{Checkout, Remote};
use crate::cli::{EVIL, bytes_of};

fn pull_request(remote: &Remote, depth: u32) -> Checkout<'_> {
    let clone = remote.checkout("refs/pull/7/merge", depth);
    clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(false)).env("GITHUB_BASE_REF", "main")
}

#[test]
fn a_pull_request_is_its_test_merge_against_the_first_parent() {
    let remote = Remote::new();
    for depth in [0, 1, 2] {
        let told = pull_request(&remote, depth).ci(&[]).exits(1).explains("first parent of the host's test merge");
        assert_eq!((told.diff("merge_base"), told.diff("head")), (&*remote.main, &*remote.merge), "depth {depth}");
        assert_eq!(told.scanned(), ["models/new.pt"], "depth {depth}");
        assert_eq!(told.found(), ["new models/new.pt"]);
    }
}

#[test]
fn a_pull_request_tells_every_way_the_host_has() {
    let remote = Remote::new();
    let clone = pull_request(&remote, 1);
    let told = clone.ci(&[]).exits(1);
    assert!(told.ran.stdout.contains("::error file=models/new.pt,line=1,title=S101"), "{}", told.ran.stdout);
    assert!(told.summary.contains("S101") && told.summary.contains("models/new.pt"), "{}", told.summary);
    let expected = [
        ("verdict", "fail"),
        ("exit-code", "1"),
        ("critical", "1"),
        ("new-findings", "1"),
        ("fixed-findings", "0"),
        ("files-scanned", "1"),
        ("base-sha", &remote.main),
        ("head-sha", &remote.merge),
        ("sarif-id", ""),
    ];
    for (name, value) in expected {
        assert_eq!(told.output(name), value, "{name}");
    }
    assert!(told.output("sarif-file").ends_with("temp/modelaudit/modelaudit.sarif"));
    let sarif: Value = serde_json::from_str(&clone.temporary("modelaudit/modelaudit.sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["automationDetails"]["id"], "modelaudit/diff/");
    assert!(clone.temporary("modelaudit/modelaudit.cdx.json").contains("CycloneDX"));
    assert!(clone.temporary("modelaudit/modelaudit.md").starts_with("<!-- modelaudit:pr-comment v1 key=default -->"));
    // Flags move reports, and turn off what is told.
    let file = clone.reports().join("x.sarif");
    std::fs::create_dir_all(clone.reports()).unwrap();
    let told = clone.ci(&["--no-annotations", "--sarif", file.to_str().unwrap(), "--fail-on", "never"]).exits(0);
    assert!(file.exists() && !told.ran.stdout.contains("::error"));
}

#[test]
fn a_pull_request_whose_head_is_checked_out_is_compared_with_the_merge_base() {
    let remote = Remote::new();
    for depth in [0, 1] {
        let clone = remote.checkout("refs/pull/7/head", depth);
        let clone = clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(false));
        let told = clone.env("GITHUB_BASE_REF", "main").ci(&[]).exits(1);
        assert_eq!(told.diff("merge_base"), remote.fork_point, "depth {depth}");
        assert_eq!(told.scanned(), ["models/new.pt"], "depth {depth}");
    }
}

#[test]
fn a_merge_of_the_base_into_the_branch_is_no_test_merge() {
    let remote = Remote::new();
    let origin = remote.origin();
    origin.git(&["checkout", "-q", "feature"]);
    origin.git(&["merge", "-q", "--no-ff", "-m", "update", "main"]);
    let head = origin.git(&["rev-parse", "HEAD"]);
    origin.git(&["update-ref", "refs/pull/7/head", &head]);
    let mut payload = remote.pull_request(false);
    payload["pull_request"]["head"]["sha"] = json!(head);
    let clone = remote.checkout("refs/pull/7/head", 0).github("pull_request", "refs/pull/7/merge", &payload);
    let told = clone.env("GITHUB_BASE_REF", "main").ci(&[]).exits(1);
    assert_eq!((told.diff("merge_base"), told.scanned()), (&*remote.main, vec!["models/new.pt"]));
}

#[test]
fn pull_request_target_scans_the_request_and_not_the_base_that_is_checked_out() {
    let remote = Remote::new();
    let clone = remote.checkout("refs/heads/main", 1);
    let clone = clone.github("pull_request_target", "refs/heads/main", &remote.pull_request(true));
    let clone = clone.env("GITHUB_BASE_REF", "main");
    let told = clone.ci(&[]).exits(1).explains("what is checked out does not have the change");
    assert_eq!(told.diff("head"), remote.feature);
    assert_eq!(told.found(), ["new models/new.pt"]);
    // Where the head cannot be had, that is no pass.
    let clone = remote.checkout("refs/heads/main", 1);
    let clone = clone.github("pull_request_target", "refs/heads/main", &remote.pull_request(true));
    let told = clone.ci(&["--fetch", "never"]).exits(2);
    assert!(told.ran.stderr.contains("is not in this clone"), "{}", told.ran.stderr);
    assert_eq!(told.output("verdict"), "incomplete");
    assert!(told.summary.contains("modelaudit: error"));
}

#[test]
fn an_event_with_the_rights_of_the_base_that_names_no_head_is_no_pass() {
    let remote = Remote::new();
    for payload in ["", "{}", "{\"pull_request\": {\"number\": 7}}", "{", "absent"] {
        let clone = remote.checkout("refs/heads/main", 0);
        let clone = clone.github("pull_request_target", "refs/heads/main", &json!({})).env("GITHUB_BASE_REF", "main");
        let event = clone.reports();
        let clone = match payload {
            "" => clone.env("GITHUB_EVENT_PATH", ""),
            _ => clone.env("GITHUB_EVENT_PATH", event.to_str().unwrap()),
        };
        let _ = std::fs::remove_file(&event);
        if payload != "absent" {
            std::fs::write(&event, payload).unwrap();
        }
        clone.ci(&[]).exits(2).explains("does not name the head of the change");
        let told = clone.ci(&["--head", &remote.feature]).exits(1);
        assert_eq!(told.found(), ["new models/new.pt"]);
    }
}

#[test]
fn a_pull_request_is_scanned_even_if_its_base_is_checked_out() {
    let remote = Remote::new();
    let clone = remote.checkout("refs/heads/main", 1);
    let clone = clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(false));
    let told = clone.env("GITHUB_BASE_REF", "main").ci(&[]).exits(1);
    assert_eq!((told.diff("head"), told.found()), (&*remote.feature, vec!["new models/new.pt".to_owned()]));
}

#[test]
fn equal_input_gives_equal_reports() {
    let remote = Remote::new();
    let clone = pull_request(&remote, 1);
    let files = ["json", "sarif", "cdx.json", "md"].map(|extension| format!("modelaudit/modelaudit.{extension}"));
    let run = || {
        clone.ci(&["--reproducible"]).exits(1);
        files.each_ref().map(|file| clone.temporary(file))
    };
    assert_eq!(run(), run());
}

#[test]
fn a_merge_queue_is_compared_with_the_base_that_the_event_names() {
    let remote = Remote::new();
    for depth in [0, 1] {
        let reference = format!("refs/heads/gh-readonly-queue/main/pr-7-{}", remote.main);
        remote.origin().git(&["update-ref", &reference, &remote.merge]);
        let payload = json!({"merge_group": {"base_sha": remote.main, "head_sha": remote.merge}});
        let told = remote.checkout(&reference, depth).github("merge_group", &reference, &payload).ci(&[]).exits(1);
        assert_eq!(told.diff("merge_base"), remote.main, "depth {depth}");
        assert_eq!(told.scanned(), ["models/new.pt"]);
    }
}

fn push(remote: &Remote, branch: &str, before: &str, depth: u32) -> super::pipeline::Told {
    let reference = format!("refs/heads/{branch}");
    let payload = json!({"before": before, "deleted": false, "repository": {"default_branch": "main"}});
    let clone = remote.checkout(&reference, depth).github("push", &reference, &payload);
    clone.ci(&["--fail-on", "never"]).exits(0)
}

#[test]
fn a_push_to_the_default_branch_scans_everything_and_says_what_is_new() {
    let remote = Remote::new();
    for depth in [0, 1] {
        let told = push(&remote, "main", &remote.fork_point, depth).explains("every file of the head");
        assert_eq!(told.scanned(), ["models/main.pt", "models/old.pt", "models/safe.safetensors"], "depth {depth}");
        assert_eq!(told.found(), ["unchanged models/old.pt"]);
        assert_eq!(told.report["diff"]["changed"].as_array().unwrap().len(), 1);
    }
    let told = push(&remote, "main", &"0".repeat(40), 1);
    assert_eq!(told.found(), ["new models/old.pt"]);
}

#[test]
fn a_full_scan_has_a_category_of_its_own() {
    let remote = Remote::new();
    let payload = json!({"before": remote.fork_point, "repository": {"default_branch": "main"}});
    let clone = remote.checkout("refs/heads/main", 1).github("push", "refs/heads/main", &payload);
    clone.ci(&["--category", "text"]).exits(1);
    let sarif: Value = serde_json::from_str(&clone.temporary("modelaudit/modelaudit.sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["automationDetails"]["id"], "modelaudit/text/");
}

#[test]
fn pushes_to_branches_are_compared_with_what_was_there_before() {
    let remote = Remote::new();
    let told = push(&remote, "feature", &remote.fork_point, 1);
    assert_eq!((told.diff("merge_base"), told.scanned()), (&*remote.fork_point, vec!["models/new.pt"]));
    // A new branch, and one whose former tip nobody has after a forced push.
    for before in ["0".repeat(40), "1".repeat(40)] {
        for depth in [0, 1] {
            let told = push(&remote, "feature", &before, depth);
            assert_eq!(told.diff("merge_base"), remote.fork_point, "{before} at depth {depth}");
            assert_eq!(told.scanned(), ["models/new.pt"]);
        }
    }
}

#[test]
fn what_has_no_base_is_scanned_whole() {
    let remote = Remote::new();
    for (event, reference) in
        [("schedule", "refs/heads/main"), ("workflow_dispatch", "refs/heads/main"), ("release", "refs/heads/main")]
    {
        let clone = remote.checkout(reference, 1).github(event, reference, &json!({}));
        let told = clone.ci(&[]).exits(1).explains("event: ").explains(event);
        assert_eq!(told.scanned().len(), 3, "{event}");
        assert!(told.report["diff"].is_null(), "{event}");
    }
    remote.origin().git(&["tag", "v1", "main"]);
    let clone = remote.checkout("refs/tags/v1", 1).github("push", "refs/tags/v1", &json!({"before": "0".repeat(40)}));
    assert_eq!(clone.ci(&[]).exits(1).explains("tag").scanned().len(), 3);
}

#[test]
fn a_deleted_branch_has_nothing_to_scan() {
    let remote = Remote::new();
    let payload = json!({"deleted": true, "after": "0".repeat(40)});
    let clone = remote.checkout("refs/heads/main", 1).github("push", "refs/heads/feature", &payload);
    let told = clone.ci(&[]).exits(0).explains("scan: nothing");
    assert_eq!(told.output("verdict"), "pass");
}

#[test]
fn a_base_that_cannot_be_found_means_everything_and_is_told() {
    let remote = Remote::new();
    let clone = remote.checkout("refs/pull/7/head", 1);
    let clone =
        clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(false)).env("GITHUB_BASE_REF", "main");
    let told = clone.ci(&["--fetch", "never"]).exits(1).explains("configuration: none of the project");
    assert_eq!(told.scanned(), ["models/new.pt", "models/old.pt", "models/safe.safetensors"]);
    assert!(told.diff("full_scan_reason").contains("is not in this clone"));
    assert!(told.summary.contains("Everything was scanned"));
    let told = clone.ci(&["--fetch", "never", "--require-diff"]).exits(2);
    assert!(told.ran.stderr.contains("nothing to compare with"));
}

#[test]
fn a_base_by_flag_comes_first() {
    let remote = Remote::new();
    let told = pull_request(&remote, 1).ci(&["--base", &remote.fork_point]).exits(1);
    assert_eq!(told.diff("merge_base"), remote.fork_point);
    assert_eq!(told.scanned(), ["models/main.pt", "models/new.pt"]);
}

#[test]
fn renames_and_removals_keep_what_is_known() {
    let remote = Remote::with(|feature| {
        feature.git(&["mv", "models/old.pt", "models/renamed.pt"]);
    });
    let told = pull_request(&remote, 1).ci(&[]).exits(1);
    assert_eq!(told.found(), ["unchanged models/renamed.pt"]);
    assert_eq!(told.report["diff"]["changed"][0]["from"], "models/old.pt");
    let remote = Remote::with(|feature| {
        feature.git(&["rm", "-q", "models/old.pt"]);
    });
    let told = pull_request(&remote, 1).ci(&["--fail-on", "high"]).exits(0);
    assert!(told.report["diff"]["fixed"].as_array().unwrap().iter().any(|one| one["path"] == "models/old.pt"));
    assert_ne!(told.output("fixed-findings"), "0");
}

fn gitlab<'r>(remote: &'r Remote, reference: &str, depth: u32, more: &[(&str, &str)]) -> Checkout<'r> {
    let clone = remote.checkout(reference, depth).env("GITLAB_CI", "true").env("CI_DEFAULT_BRANCH", "main");
    let (sha, project) = (clone.clone.git(&["rev-parse", "HEAD"]), clone.reports());
    std::fs::create_dir_all(&project).unwrap();
    let clone = clone.env("CI_COMMIT_SHA", sha).env("CI_PROJECT_DIR", project.to_str().unwrap());
    more.iter().fold(clone, |clone, (name, value)| clone.env(name, *value))
}

#[test]
fn a_merge_request_is_compared_with_the_base_that_gitlab_names() {
    let remote = Remote::new();
    let variables = [
        ("CI_PIPELINE_SOURCE", "merge_request_event"),
        ("CI_MERGE_REQUEST_IID", "7"),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", &remote.fork_point),
    ];
    for depth in [0, 1] {
        let clone = gitlab(&remote, "refs/heads/feature", depth, &variables);
        let told = clone.ci(&[]).exits(1).reads(&clone.reports().join("modelaudit.json"));
        assert_eq!((told.diff("merge_base"), told.scanned()), (&*remote.fork_point, vec!["models/new.pt"]));
        let files = [
            "gl-sast-report.json",
            "gl-code-quality-report.json",
            "gl-sbom-modelaudit.cdx.json",
            "modelaudit.junit.xml",
        ];
        for file in files {
            assert!(clone.reports().join(file).exists(), "{file}");
        }
        let dotenv = std::fs::read_to_string(clone.reports().join("modelaudit.env")).unwrap();
        assert!(dotenv.contains("MODELAUDIT_CI_VERDICT=fail\n"), "{dotenv}");
        assert!(!told.ran.stdout.contains("::error"));
    }
    // In a pipeline for merged results, the head has the target branch in it.
    let merged = [
        ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", &*remote.main),
        ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", &*remote.feature),
    ];
    let clone = gitlab(&remote, "refs/pull/7/merge", 1, &[&variables[..], &merged].concat());
    let told = clone.ci(&[]).exits(1).reads(&clone.reports().join("modelaudit.json"));
    assert_eq!((told.diff("merge_base"), told.scanned()), (&*remote.main, vec!["models/new.pt"]));
}

#[test]
fn a_finding_outweighs_what_cannot_be_written() {
    let remote = Remote::new();
    for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        let clone = pull_request(&remote, 1).env(name, "/absent/file");
        let told = clone.ci(&[]).exits(1).explains("/absent/file could not be written");
        assert_eq!(told.found(), ["new models/new.pt"]);
    }
}

#[cfg(unix)]
#[test]
fn reports_replace_links_of_the_change_and_do_not_follow_them() {
    let remote = Remote::new();
    let variables = [("CI_PIPELINE_SOURCE", "merge_request_event"), ("CI_MERGE_REQUEST_IID", "7")];
    let clone = gitlab(&remote, "refs/heads/feature", 0, &variables);
    let folder = clone.reports();
    let outside = folder.with_file_name("bashrc");
    std::fs::write(&outside, "kept").unwrap();
    for name in ["modelaudit.md", "modelaudit.json", "modelaudit.env"] {
        std::os::unix::fs::symlink("../bashrc", folder.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("../absent", folder.join("gl-sast-report.json")).unwrap();
    clone.ci(&[]).exits(1).reads(&folder.join("modelaudit.json"));
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "kept");
    assert!(!folder.with_file_name("absent").exists());
    assert!(std::fs::symlink_metadata(folder.join("gl-sast-report.json")).unwrap().is_file());
    // A path that a flag gives is the user's.
    std::os::unix::fs::symlink("../bashrc", folder.join("own.json")).unwrap();
    clone.ci(&["--json", folder.join("own.json").to_str().unwrap()]).exits(1);
    assert_ne!(std::fs::read_to_string(&outside).unwrap(), "kept");
}

#[test]
fn branch_pipelines_of_gitlab_scan_the_default_branch_whole_and_others_by_what_changed() {
    let remote = Remote::new();
    let zeros = "0".repeat(40);
    let run = |branch: &str, before: &str| {
        let variables = [
            ("CI_PIPELINE_SOURCE", "push"),
            ("CI_COMMIT_BRANCH", branch),
            ("CI_COMMIT_REF_NAME", branch),
            ("CI_COMMIT_BEFORE_SHA", before),
        ];
        let clone = gitlab(&remote, &format!("refs/heads/{branch}"), 1, &variables);
        clone.ci(&[]).exits(1).reads(&clone.reports().join("modelaudit.json"))
    };
    assert_eq!(run("main", &remote.fork_point).scanned().len(), 3);
    let told = run("feature", &zeros);
    assert_eq!((told.diff("merge_base"), told.scanned()), (&*remote.fork_point, vec!["models/new.pt"]));
}

#[test]
fn hooks_scan_what_is_staged_or_pushed() {
    let remote = Remote::new();
    let clone = remote.checkout("refs/heads/main", 0).env("PRE_COMMIT", "1");
    clone.clone.write("models/staged.pt", bytes_of(EVIL));
    clone.clone.git(&["add", "models/staged.pt"]);
    let told = clone.ci(&["-f", "json"]).exits(1);
    let report: Value = serde_json::from_str(&told.ran.stdout).unwrap();
    assert_eq!(report["coverage"][0]["path"], "models/staged.pt");
    let clone = remote.checkout("refs/heads/feature", 0).env("PRE_COMMIT", "1");
    let clone =
        clone.env("PRE_COMMIT_FROM_REF", remote.fork_point.clone()).env("PRE_COMMIT_TO_REF", remote.feature.clone());
    let report: Value = serde_json::from_str(&clone.ci(&["-f", "json"]).exits(1).ran.stdout).unwrap();
    assert_eq!(report["coverage"].as_array().unwrap().len(), 1);
}

#[test]
fn hosts_that_only_name_a_target_branch_are_reviews_too() {
    let remote = Remote::new();
    let names = ["CHANGE_TARGET", "BITBUCKET_PR_DESTINATION_BRANCH", "BUILDKITE_PULL_REQUEST_BASE_BRANCH"];
    for name in names {
        let clone = remote.checkout("refs/heads/feature", 0).env(name, "main");
        let told = clone.ci(&["-f", "json"]).exits(1).explains("configuration: of the base");
        let report: Value = serde_json::from_str(&told.ran.stdout).unwrap();
        assert_eq!(report["diff"]["merge_base"], *remote.fork_point, "{name}");
    }
    let azure = remote
        .checkout("refs/pull/7/merge", 0)
        .env("TF_BUILD", "True")
        .env("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/main");
    azure.ci(&[]).exits(1).explains("host: azure");
}

#[test]
fn what_is_detected_can_be_given() {
    let remote = Remote::new();
    let clone = remote.checkout("refs/heads/feature", 0);
    clone.ci(&["--host", "github", "--event", "schedule"]).exits(1).explains("scan: every file of the head (schedule)");
    clone.ci(&["--mode", "full"]).exits(1).explains("scan: every file of the head (asked for)");
    let told = clone.ci(&["--base", "origin/main", "models/safe.safetensors"]).exits(0);
    assert!(told.ran.stdout.contains("verdict: pass"), "{}", told.ran.stdout);
}
