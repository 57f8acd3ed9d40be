//! In a review, the base's settings count, and a change of settings shows.

use super::pipeline::{Checkout, Remote};
use crate::cli::{EVIL, bytes_of};

const SILENCE: &str = "suppress = [\"S101\", \"S1101\"]\nfail_on = \"critical\"\n";

fn clone(remote: &Remote) -> Checkout<'_> {
    let clone = remote.checkout("refs/pull/7/merge", 1);
    clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(true)).env("GITHUB_BASE_REF", "main")
}

#[test]
fn a_change_does_not_silence_itself_and_shows_what_it_would_silence() {
    let remote = Remote::with(|feature| {
        feature.write("models/new.pt", bytes_of(EVIL));
        feature.write(".modelaudit.toml", SILENCE);
    });
    let clone = clone(&remote);
    let told = clone.ci(&[]).exits(1).explains("configuration: of the base");
    assert_eq!(told.scanned().len(), 4, "everything is looked at");
    assert_eq!(told.found(), ["new models/new.pt", "unchanged models/old.pt"]);
    for words in [
        "touches the settings (.modelaudit.toml): the base",
        "settings silence",
        "S101 in models/new.pt",
        "fail on critical instead of medium",
    ] {
        assert!(told.summary.contains(words), "{words}: {}", told.summary);
    }
    let told = clone.ci(&["--trust-head-config"]).exits(0).explains("--trust-head-config");
    assert!(told.summary.contains("in force, as asked for") && told.summary.contains("S101 in models/new.pt"));
}

#[test]
fn the_bases_settings_hold_even_if_the_change_deletes_them() {
    let remote = Remote::new();
    let origin = remote.origin();
    // The base accepts the rule; the test merge is made anew.
    origin.write(".modelaudit.toml", "suppress = [\"S101\", \"S1101\"]\n");
    origin.commit("settings");
    origin.git(&["checkout", "-q", "--detach", "main"]);
    origin.git(&["merge", "-q", "--no-ff", "-m", "test merge", "feature"]);
    origin.git(&["rm", "-q", ".modelaudit.toml"]);
    origin.git(&["commit", "-q", "--amend", "--no-edit"]);
    origin.git(&["update-ref", "refs/pull/7/merge", "HEAD"]);
    origin.git(&["checkout", "-q", "main"]);
    let told = clone(&remote).ci(&[]).exits(0);
    assert!(told.summary.contains("touches the settings"), "{}", told.summary);
}

#[test]
fn files_that_flags_name_come_from_the_base_too() {
    let remote = Remote::with(|feature| {
        feature.write("models/new.pt", bytes_of(EVIL));
        feature.write("ci/audit.toml", SILENCE);
    });
    let told = clone(&remote).ci(&["--config", "ci/audit.toml"]).exits(2);
    assert!(told.ran.stderr.contains("not in the version that counts"), "{}", told.ran.stderr);
    let told = clone(&remote).ci(&["--config", "ci/audit.toml", "--trust-head-config"]).exits(0);
    assert!(told.summary.contains("the settings of the base cannot be used"), "{}", told.summary);
    // A file of the pipeline's own is nobody's change.
    let clone = clone(&remote);
    std::fs::create_dir_all(clone.reports()).unwrap();
    let own = clone.reports().join("audit.toml");
    std::fs::write(&own, SILENCE).unwrap();
    clone.ci(&["--config", own.to_str().unwrap()]).exits(0);
}

#[cfg(unix)]
#[test]
fn a_link_that_the_change_brings_leads_to_no_other_settings() {
    let elsewhere = crate::cli::Folder::new().write("audit.toml", SILENCE);
    let remote = Remote::new();
    let origin = remote.origin();
    origin.write("ci/audit.toml", "fail_on = \"low\"\n");
    origin.commit("settings");
    origin.git(&["checkout", "-q", "--detach", "main"]);
    origin.git(&["merge", "-q", "--no-ff", "-m", "test merge", "feature"]);
    origin.git(&["rm", "-q", "-r", "ci"]);
    origin.link(elsewhere.path().to_str().unwrap(), "ci");
    origin.git(&["add", "ci"]);
    origin.git(&["commit", "-q", "--amend", "--no-edit"]);
    origin.git(&["update-ref", "refs/pull/7/merge", "HEAD"]);
    origin.git(&["checkout", "-q", "-f", "main"]);
    let told = clone(&remote).ci(&["--config", "ci/audit.toml"]);
    assert!(told.ran.stdout.contains("S101") && told.ran.code != 0, "{}\n{}", told.ran.stdout, told.ran.stderr);
    assert!(told.summary.contains("the settings of the change cannot be used"), "{}", told.summary);
}

#[test]
fn settings_that_would_stop_every_run_are_an_error_now() {
    let remote = Remote::with(|feature| feature.write(".modelaudit.toml", "fial_on = \"high\"\n"));
    let told = clone(&remote).ci(&["--fail-on", "never"]).exits(2);
    assert!(told.summary.contains("the settings of the change cannot be used"), "{}", told.summary);
}

#[test]
fn a_push_has_the_settings_that_it_brings() {
    let remote = Remote::new();
    let origin = remote.origin();
    origin.write(".modelaudit.toml", SILENCE);
    origin.commit("settings");
    let clone = remote.checkout("refs/heads/main", 1);
    clone
        .github("schedule", "refs/heads/main", &serde_json::json!({}))
        .ci(&[])
        .exits(0)
        .explains("configuration: of the head");
}
