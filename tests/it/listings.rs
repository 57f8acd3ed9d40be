//! `rules`, `formats` and `render`.

use std::fs;
use std::path::Path;

use modelaudit::cli::ListFormat;
use modelaudit::commands::{formats, render, rules};
use modelaudit::render::json;
use modelaudit::rules::{GlobalTable, RuleSet};
use serde_json::Value;

use crate::sample::review;

const ROWS: &str = r#"
[[rule]]
code = "S101"
name = "os-module-import"
title = "The os module is used"
severity = "critical"
why = """
The `os` module starts processes, so that a file that names it can do whatever its reader may do.

- on a build machine
- on a laptop

    os.system("true")
"""
fix = "Do not load this file."
cwe = [78]
aliases = ["MDL-7"]
refs = ["https://docs.python.org/3/library/os.html"]
precision = "very-high"
since = "0.1.0"
[[rule.on]]
fact = "executable"
message = "{form}"
severity = "high"

[[rule]]
code = "S1002"
name = "malicious-hash"
title = "A known bad file"
severity = "critical"
why = "It is known."
fix = "Delete it."
precision = "high"
since = "0.1.0"
status = "policy"
"#;

fn rule_set() -> RuleSet {
    RuleSet::compile([ROWS], GlobalTable::shipped()).unwrap()
}

fn list(which: Option<&str>, format: ListFormat) -> String {
    let mut out = Vec::new();
    rules::run(&rule_set(), which, format, 80, false, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn rules_are_listed() {
    insta::assert_snapshot!(list(None, ListFormat::Text));
    let all: Vec<Value> = serde_json::from_str(&list(None, ListFormat::Json)).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[1]["status"], "policy");
}

#[test]
fn a_rule_is_explained_by_code_name_or_alias() {
    insta::assert_snapshot!(list(Some("s101"), ListFormat::Text));
    for word in ["os-module-import", "mdl-7"] {
        assert_eq!(list(Some(word), ListFormat::Text), list(Some("S101"), ListFormat::Text));
    }
    let one: Value = serde_json::from_str(&list(Some("S101"), ListFormat::Json)).unwrap();
    assert_eq!(one["code"], "S101");
    assert!(list(Some("S101"), ListFormat::Markdown).contains("os-module-import"));
}

#[test]
fn an_unknown_rule_gets_a_suggestion() {
    let error = rules::run(&rule_set(), Some("hash"), ListFormat::Text, 80, false, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("S1002 malicious-hash"), "{error}");
}

#[test]
fn every_format_is_listed_in_every_form() {
    for format in [ListFormat::Text, ListFormat::Json, ListFormat::Markdown] {
        let mut out = Vec::new();
        formats::run(format, 80, false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with('\n'));
        for known in modelaudit::formats::FORMATS {
            assert!(text.contains(known.name), "{} in {format:?}", known.name);
        }
    }
}

#[test]
fn the_formats_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/generated/formats.md");
    let text = formats::markdown();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == text, "stale: run the tests with BLESS=1");
}

#[test]
fn a_saved_report_is_printed_again() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("report.json"), folder.path().join("again.json"));
    modelaudit::render::output::to_file(Some(&from), |out| json::write(&review(), out)).unwrap();
    let report = render::load(&from).unwrap();
    modelaudit::render::output::to_file(Some(&to), |out| json::write(&report, out)).unwrap();
    assert_eq!(report.verdict, review().verdict);
    assert_eq!(render::load(&to).unwrap(), report);
    fs::write(&from, "{}").unwrap();
    let error = format!("{:#}", render::load(&from).unwrap_err());
    assert!(error.contains("not a report") && error.contains("help:"), "{error}");
}
