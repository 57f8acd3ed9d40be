//! SARIF output over the samples.

use modelaudit::render::sarif::{self, Options};
use modelaudit::report::Report;
use serde_json::Value;

use crate::sample;

fn render(report: &Report, options: &Options) -> Value {
    let mut bytes = Vec::new();
    sarif::write(report, options, &mut bytes).unwrap();
    assert_eq!(bytes.last(), Some(&b'\n'));
    serde_json::from_slice(&bytes).unwrap()
}

fn results(log: &Value) -> &Vec<Value> {
    log["runs"][0]["results"].as_array().unwrap()
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

#[test]
fn empty_report() {
    insta::assert_json_snapshot!(render(&sample::empty(), &Options::default()));
}

#[test]
fn rich_report() {
    insta::assert_json_snapshot!(render(&sample::rich(), &Options::default()));
}

#[test]
fn changed_files_with_what_they_fix() {
    let options = Options { include_fixed: true, category: Some("team".into()), ..Options::default() };
    insta::assert_json_snapshot!(render(&sample::diff(), &options));
}

#[test]
fn unread_files() {
    let log = render(&sample::unread(), &Options::default());
    insta::assert_json_snapshot!(log["runs"][0]["invocations"]);
}

#[test]
fn no_document_has_nulls_or_lacks_results() {
    for (name, report) in sample::all() {
        let log = render(&report, &Options::default());
        assert!(!has_null(&log), "{name}");
        assert!(log["runs"][0]["results"].is_array(), "{name}");
    }
}

#[test]
fn suppressed_and_fixed_findings_stay_out_unless_asked_for() {
    let asked = Options { include_suppressed: true, include_fixed: true, category: None };
    let suppressed = |log: &Value| results(log).iter().filter(|result| !result["suppressions"].is_null()).count();
    assert_eq!(suppressed(&render(&sample::rich(), &Options::default())), 0);
    assert_eq!(suppressed(&render(&sample::rich(), &asked)), 2);
    assert_eq!(results(&render(&sample::diff(), &Options::default())).len(), 2);
    assert_eq!(results(&render(&sample::diff(), &asked)).len(), 3);
}

#[test]
fn the_worst_survive_the_cap_and_the_cut_is_stated() {
    let log = render(&sample::many(6_000), &Options::default());
    assert_eq!(results(&log).len(), 5_000);
    assert!(results(&log)[..10].iter().all(|result| result["level"] == "error"));
    let note = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(note["descriptor"]["id"], "N006");
    assert_eq!(note["message"]["text"], "1000 results are left out, the least severe ones.");
}

#[test]
fn a_document_stays_below_the_size_that_hosts_take() {
    let mut report = sample::many(5_000);
    for finding in &mut report.issues {
        finding.message = "\u{202e}".repeat(100_000);
        finding.members = vec!["m".repeat(3_000); 3];
    }
    let mut bytes = Vec::new();
    sarif::write(&report, &Options::default(), &mut bytes).unwrap();
    assert!(bytes.len() < 9_500_000, "{} bytes", bytes.len());
    let log: Value = serde_json::from_slice(&bytes).unwrap();
    let kept = results(&log).len();
    assert!(kept > 100 && kept < 5_000, "{kept} results");
    assert_eq!(log["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["descriptor"]["id"], "N006");
}

#[test]
fn hostile_names_neither_leave_the_root_nor_become_links() {
    let log = render(&sample::hostile(), &Options::default());
    for result in results(&log) {
        let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.contains([':', '\\', ' ', '<']) && !uri.starts_with('/'), "{uri}");
        assert!(uri.split('/').all(|segment| !matches!(segment, "" | "." | "..")), "{uri}");
        let message = result["message"]["text"].as_str().unwrap();
        assert!(message.chars().count() <= 1_000 && !message.contains("]("), "{message}");
        assert!(!message.contains(char::is_control) && !message.contains('\u{202e}'), "{message}");
    }
    let text = log.to_string();
    assert!(!text.contains("javascript:") && !text.contains("AML.T9999"));
}

#[test]
fn equal_fingerprints_are_counted_and_survive_leaving_others_out() {
    let hashes = |log: &Value| -> Vec<String> {
        let hash =
            |result: &Value| result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap().to_owned();
        results(log).iter().map(hash).collect()
    };
    let both = hashes(&render(&sample::bare(), &Options::default()));
    assert!(both[0].ends_with(":1") && both[1].ends_with(":2"), "{both:?}");
    let mut report = sample::bare();
    report.issues[0].suppression = sample::rich().issues[4].suppression.clone();
    assert_eq!(hashes(&render(&report, &Options::default())), [both[1].clone()]);
}

#[test]
fn a_full_scan_in_place_of_a_change_states_no_baseline() {
    let mut report = sample::diff();
    let diff = report.diff.as_mut().unwrap();
    diff.merge_base = None;
    diff.full_scan_reason = Some("no common ancestor".into());
    let log = render(&report, &Options::default());
    assert!(results(&log).iter().all(|result| result["baselineState"].is_null()));
}

#[test]
fn remotes_lose_their_credentials() {
    let text = render(&sample::rich(), &Options::default()).to_string();
    assert!(text.contains("https://example.com/team/models.git") && !text.contains("secret"));
}
