//! The report for people.

use anstyle::Reset;
use modelaudit::finding::Severity;
use modelaudit::render::text::{Options, Verbosity, write};
use modelaudit::report::{Report, Verdict};

use crate::sample::{empty, is_visible, review, shards, spoilt};

fn render(report: &Report, options: Options) -> String {
    let mut out = Vec::new();
    write(report, &options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn with(report: &Report, verbosity: Verbosity) -> String {
    render(report, Options { verbosity, ..Options::default() })
}

#[test]
fn a_run_over_nothing() {
    insta::assert_snapshot!(with(&empty(), Verbosity::Normal));
}

#[test]
fn normal() {
    insta::assert_snapshot!(with(&review(), Verbosity::Normal));
}

#[test]
fn quiet_tells_what_fails_the_run() {
    insta::assert_snapshot!(with(&review(), Verbosity::Quiet));
    assert_eq!(with(&empty(), Verbosity::Quiet), "");
}

#[test]
fn verbose_tells_everything() {
    insta::assert_snapshot!(with(&review(), Verbosity::Verbose));
}

#[test]
fn quiet_is_not_silent_about_failure() {
    let mut report = empty();
    report.verdict = Verdict::Error;
    report.errors = vec!["the target 'x' does not exist".into()];
    let text = with(&report, Verbosity::Quiet);
    assert!(text.contains("'x' does not exist") && text.contains("verdict: error"), "{text}");
    report = review();
    report.fail_on = None;
    assert!(!with(&report, Verbosity::Quiet).contains("S101"));
}

#[test]
fn long_text_wraps_at_eighty_columns() {
    let mut report = review();
    report.issues.iter_mut().for_each(|finding| {
        finding.message = "word ".repeat(100);
        finding.details.insert("call".into(), "x".repeat(500).into());
        finding.why = format!("{}. More.", "why ".repeat(100).trim_end());
        finding.rule_name = "a-rule-with-quite-a-long-name-for-testing".into();
        finding.related_rules = (100..120).map(|n| format!("S{n}")).collect();
    });
    report
        .coverage
        .iter_mut()
        .filter_map(|file| file.reason.as_mut())
        .for_each(|reason| *reason = "because ".repeat(40));
    report.errors = vec!["e".repeat(300)];
    for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose] {
        let text = with(&report, verbosity);
        let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "{long:#?}");
        assert!(text.lines().all(|line| !line.ends_with(' ')), "{text}");
    }
    // Names of files are for copying: they are never broken.
    let path = format!("{}.pt", "p".repeat(120));
    report.issues.iter_mut().for_each(|finding| finding.path.clone_from(&path));
    assert!(with(&report, Verbosity::Normal).lines().any(|line| line.starts_with(&path)));
}

#[test]
fn nothing_hidden_reaches_the_terminal() {
    for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose] {
        let text = with(&spoilt(), verbosity);
        assert!(is_visible(&text), "{text:?}");
        assert!(text.contains("\\u{1b}[2J\\u{202e}"));
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let plain = with(&review(), Verbosity::Verbose);
    let options = Options { color: true, verbosity: Verbosity::Verbose, ..Options::default() };
    let colored = render(&review(), options);
    assert!(colored.contains(&Reset.to_string()));
    assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
    let hostile = anstream::adapter::strip_str(&render(&spoilt(), options)).to_string();
    assert!(is_visible(&hostile));
}

#[test]
fn ten_thousand_findings_are_all_told() {
    let report = shards(10_000);
    let text = with(&report, Verbosity::Normal);
    assert_eq!(text.matches(" S101 ").count(), report.active().count());
    assert!(text.len() < 10_000_000);
    assert!(text.ends_with("verdict: fail\n"));
    let mut quiet = report;
    quiet.fail_on = Some(Severity::Critical);
    assert_eq!(with(&quiet, Verbosity::Quiet).matches(" S101 ").count(), 2500);
}
