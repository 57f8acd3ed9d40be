//! The JSON report: its shape, its schema, and reading it back from somebody else.

use std::path::Path;

use modelaudit::finding::Severity;
use modelaudit::render::json::{ReadError, read, schema, write};
use modelaudit::report::{Report, Status, Verdict};
use serde_json::{Value, json};

use crate::sample::{HOSTILE, empty, is_visible, review, shards, spoilt};

fn render(report: &Report) -> String {
    let mut out = Vec::new();
    write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The rich report as a value that a test may spoil.
fn value() -> Value {
    serde_json::from_str(&render(&review())).unwrap()
}

fn read_value(value: &Value) -> Result<Report, ReadError> {
    read(&serde_json::to_vec(value).unwrap())
}

#[test]
fn the_shape_of_a_report() {
    let mut report = review();
    report.issues.truncate(1);
    report.coverage.truncate(2);
    report.assets.truncate(1);
    report.rules.truncate(1);
    insta::assert_snapshot!(render(&report));
}

#[test]
fn a_run_over_nothing() {
    insta::assert_snapshot!(render(&empty()));
}

#[test]
fn the_shipped_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/generated/schema/report-v1.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let shipped = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shipped == text, "{} is stale: run the tests with BLESS=1", path.display());
}

#[test]
fn reports_meet_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut error = empty();
    (error.fail_on, error.verdict) = (None, Verdict::Error);
    for report in [empty(), review(), shards(50), spoilt(), error] {
        let value: Value = serde_json::from_str(&render(&report)).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

#[test]
fn what_is_no_report_fails_the_schema_and_the_reader() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let spoilers: &[(&str, Value)] = &[
        ("/schema_version", json!(2)),
        ("/verdict", json!("maybe")),
        ("/files_scanned", json!(-1)),
        ("/start_time", json!(-5.0)),
        ("/tool/name", json!("other")),
        ("/issues/0/severity", json!("severe")),
        ("/issues/0/severity_score", json!(0.0)),
        ("/issues/0/safety_level", json!("innocuous")),
        ("/issues/0/rule_code", json!("S101](http://evil.example)")),
        ("/issues/0/rule_name", json!("Name With | Pipes")),
        ("/issues/0/fingerprint", json!("short")),
        ("/issues/0/related_rules/0", json!("@everyone")),
        ("/issues/0/occurrences", json!(0)),
        ("/issues/0/cve", json!(["CVE-1"])),
        ("/issues/0/unknown", json!(true)),
        ("/assets/0/sha256", json!("00")),
        ("/coverage/0/status", json!("fine")),
        ("/coverage/0/reason", json!("complete, but with a reason")),
        ("/coverage/1/reason", Value::Null),
        ("/rules/0/refs/0", json!("javascript:alert(1)")),
        ("/unknown", json!(1)),
    ];
    for (place, spoiled) in spoilers {
        let mut value = value();
        let (parent, key) = place.rsplit_once('/').unwrap();
        let parent = value.pointer_mut(parent).unwrap();
        match parent {
            Value::Array(items) => items[key.parse::<usize>().unwrap()] = spoiled.clone(),
            parent => parent[key] = spoiled.clone(),
        }
        assert!(!validator.is_valid(&value), "the schema takes {place} = {spoiled}");
        assert!(read_value(&value).is_err(), "the reader takes {place} = {spoiled}");
    }
    for key in value().as_object().unwrap().keys() {
        let mut value = value();
        value.as_object_mut().unwrap().remove(key);
        assert!(!validator.is_valid(&value), "the schema does without {key}");
    }
}

#[test]
fn reading_gives_back_what_was_written() {
    let mut error = empty();
    error.verdict = Verdict::Error;
    for report in [empty(), review(), shards(200), error] {
        assert_eq!(read(render(&report).as_bytes()).unwrap(), report);
    }
}

#[test]
fn nothing_hidden_is_written_and_names_stay_exact() {
    let text = render(&spoilt());
    assert!(is_visible(&text));
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value.pointer("/issues/0/path"), Some(&json!(HOSTILE)));
}

#[test]
fn texts_of_strangers_are_escaped_and_cut() {
    let report = read(render(&spoilt()).as_bytes()).unwrap();
    assert_eq!(report.issues[0].path, HOSTILE);
    assert!(is_visible(&report.issues[0].message) && is_visible(&report.issues[0].why));
    assert!(report.issues[0].details.keys().all(|key| is_visible(key)));
    let mut value = value();
    value["issues"][0]["message"] = "x".repeat(1 << 20).into();
    assert!(read_value(&value).unwrap().issues[0].message.len() < 10_000);
}

#[test]
fn the_verdict_follows_from_the_findings() {
    let mut value = value();
    value["verdict"] = json!("pass");
    assert_eq!(read_value(&value).unwrap().verdict, Verdict::Fail);
    let mut clean = empty();
    clean.verdict = Verdict::Fail;
    assert_eq!(read(render(&clean).as_bytes()).unwrap().verdict, Verdict::Pass);
    clean.coverage = review().coverage.into_iter().filter(|file| file.status == Status::Failed).collect();
    let read = read(render(&clean).as_bytes()).unwrap();
    assert_eq!((read.verdict, read.has_errors), (Verdict::Error, true));
    value["fail_on"] = Value::Null;
    assert_eq!(read_value(&value).unwrap().verdict, Verdict::Error);
}

#[test]
fn what_is_too_large_or_of_another_version_is_refused() {
    assert!(matches!(read(&vec![b' '; modelaudit::render::json::MAX_BYTES + 1]), Err(ReadError::TooLarge)));
    assert!(matches!(read(&vec![b'['; 10 << 20]), Err(ReadError::TooMany)));
    assert!(matches!(read(br#"{"schema_version": 2, "new": true}"#), Err(ReadError::Version(2))));
    assert!(matches!(read(b"[]"), Err(ReadError::Shape(_))));
    assert!(matches!(read(b"\xff"), Err(ReadError::Shape(_))));
    let mut deep = value();
    let nested = (0..200).fold(json!(0), |inner, _| json!([inner]));
    deep["issues"][0]["details"]["x"] = nested;
    assert!(matches!(read_value(&deep), Err(ReadError::Shape(_))));
}

#[test]
fn ten_thousand_findings_fit() {
    let text = render(&shards(10_000));
    assert!(text.len() < 20_000_000);
    assert_eq!(read(text.as_bytes()).unwrap().issues.len(), 10_000);
    assert!(text.ends_with("}\n"));
    assert_eq!(Severity::ALL.len(), 6);
}
