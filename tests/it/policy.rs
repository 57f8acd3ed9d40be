//! From hits to findings, suppression and the verdict.

use insta::assert_snapshot;
use jiff::civil::{Date, date};
use modelaudit::bytes::InputName;
use modelaudit::config::{Environment, Flags, Settings};
use modelaudit::fact::Span;
use modelaudit::finding::{Finding, Severity, State};
use modelaudit::policy::{FileContext, Policy};
use modelaudit::report::{Coverage, Status, Verdict};
use modelaudit::rules::{Hit, RuleSet};

use crate::config::rules;

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const TODAY: Date = date(2026, 6, 15);

/// Settings of a file with this text, and of flags.
#[expect(clippy::needless_pass_by_value, reason = "reads better at its calls")]
fn settings(text: &str, flags: Flags) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".modelaudit.toml"), text).unwrap();
    let env = Environment { directory: folder.path().to_owned(), ..Environment::default() };
    Settings::load(&flags, &env, &rules()).unwrap_or_else(|error| panic!("{error}"))
}

fn hit<'r>(rules: &'r RuleSet, code: &str, path: &str, members: &[&str]) -> Hit<'r> {
    let rule = rules.get(code).unwrap();
    Hit {
        rule,
        severity: rule.severity,
        message: "message".into(),
        name: InputName { path: path.into(), members: members.iter().map(|&member| member.into()).collect() },
        span: Some(Span::new(28, 14)),
        details: serde_json::Map::new(),
        related: vec!["S701".into()],
        occurrences: 2,
        offsets: vec![28, 71],
        evidence: "posix\u{1f}system".into(),
    }
}

/// Who suppressed it, or that it counts.
fn source(finding: &Finding) -> &str {
    finding.suppression.as_ref().map_or("active", |mark| &mark.source)
}

#[test]
fn a_finding_carries_the_rule_and_the_place() {
    let (settings, rules) = (settings("", Flags::default()), rules());
    let policy = Policy::new(&settings, &rules, TODAY);
    let finding = policy.finding(hit(&rules, "S101", "a/model.zip", &["in\u{202e}ner.pkl"]), &FileContext::default());
    insta::assert_json_snapshot!(finding, @r#"
    {
      "rule_code": "S101",
      "rule_name": "os-module-import",
      "severity": "critical",
      "severity_score": 10.0,
      "safety_level": "dangerous",
      "message": "message",
      "location": "a/model.zip!/in\\u{202e}ner.pkl (pos 28)",
      "path": "a/model.zip",
      "members": [
        "in\\u{202e}ner.pkl"
      ],
      "offset": 28,
      "length": 14,
      "why": "why",
      "fix": "fix",
      "cwe": [],
      "cve": [],
      "details": {
        "position": 28,
        "positions": [
          28,
          71
        ]
      },
      "related_rules": [
        "S701"
      ],
      "occurrences": 2,
      "fingerprint": "bcaabe4b7926482000222b321036442b",
      "state": "new",
      "suppression": null
    }
    "#);
    let codes: Vec<String> = policy.reported(&[finding]).into_iter().map(|rule| rule.code).collect();
    assert_eq!(codes, ["S101", "S701"]);
}

#[test]
fn the_identity_ignores_places_but_not_names() {
    let (settings, rules) = (settings("", Flags::default()), rules());
    let policy = Policy::new(&settings, &rules, TODAY);
    let identity = |mut hit: Hit<'_>, offset: u64| {
        hit.span = Some(Span::new(offset, 1));
        policy.finding(hit, &FileContext::default()).fingerprint
    };
    let first = identity(hit(&rules, "S101", "a.pkl", &[]), 1);
    assert_eq!(first, identity(hit(&rules, "S101", "a.pkl", &[]), 99));
    assert_ne!(first, identity(hit(&rules, "S101", "b.pkl", &[]), 1));
    assert_ne!(first, identity(hit(&rules, "S101", "a.pkl", &["b"]), 1));
    assert_ne!(first, identity(hit(&rules, "S301", "a.pkl", &[]), 1));
}

#[test]
fn an_override_replaces_the_grade_of_the_clause() {
    let (settings, rules) = (settings("[severity]\nS101 = 'low'", Flags::default()), rules());
    let policy = Policy::new(&settings, &rules, TODAY);
    let graded =
        |code| policy.finding(Hit { severity: Severity::Info, ..hit(&rules, code, "a", &[]) }, &FileContext::default());
    assert_eq!(graded("S101").severity, Severity::Low);
    assert!((graded("S101").severity_score - 2.5).abs() < f64::EPSILON);
    assert_eq!(graded("S301").severity, Severity::Info);
}

#[test]
fn the_first_suppression_that_matches_decides() {
    let text = "suppress = [{ rule = 'S101', reason = 'why', owner = 'me', expires = 2026-06-15 }]\n\
                [ignore]\n'tests/**' = ['S101', 'S301']\n";
    let flags = Flags { suppress: vec!["S701".into()], ..Flags::default() };
    let (settings, rules) = (settings(text, flags), rules());
    let policy = Policy::new(&settings, &rules, TODAY);
    let found = |code, path| policy.finding(hit(&rules, code, path, &[]), &FileContext::default());
    assert_eq!(source(&found("S701", "a")), "flag");
    assert_eq!(source(&found("S301", "tests/a")), "ignore");
    assert_eq!(source(&found("S301", "a")), "active");
    let listed = found("S101", "tests/a");
    let mark = listed.suppression.as_ref().unwrap();
    assert_eq!((mark.source.as_str(), mark.reason.as_deref()), ("config", Some("why")));
    assert_eq!((mark.owner.as_deref(), mark.expires.as_deref()), (Some("me"), Some("2026-06-15")));
    assert!(!listed.is_active());
}

#[test]
fn member_names_cannot_earn_a_suppression() {
    let text = "[ignore]\n'tests/**' = ['S101']\n'*.onnx' = ['S101']\n";
    let (settings, rules) = (settings(text, Flags::default()), rules());
    let policy = Policy::new(&settings, &rules, TODAY);
    assert_eq!(
        source(&policy.finding(hit(&rules, "S101", "evil.zip", &["tests/a.onnx"]), &FileContext::default())),
        "active"
    );
    assert_eq!(
        source(&policy.finding(hit(&rules, "S101", "a.onnx", &["evil.pkl"]), &FileContext::default())),
        "ignore"
    );
}

#[test]
fn a_digest_pins_the_content() {
    let text = format!("[[suppress]]\nsha256 = '{DIGEST}'\npath = 'a/*'\n");
    let (settings, rules) = (settings(&text, Flags::default()), rules());
    let policy = Policy::new(&settings, &rules, TODAY);
    let found = |path, sha256| {
        source(&policy.finding(hit(&rules, "S101", path, &[]), &FileContext { sha256, ..FileContext::default() }))
            .to_owned()
    };
    assert_eq!(found("a/b", Some(DIGEST)), "config");
    assert_eq!(found("b/b", Some(DIGEST)), "active");
    assert_eq!(found("a/b", Some("00")), "active");
    assert_eq!(found("a/b", None), "active");
}

#[test]
fn expired_and_unmatched_suppressions_come_to_light() {
    let text = format!(
        "suppress = ['S710', 'S801', {{ rule = 'S101', expires = 2026-06-14 }}, {{ rule = 'S301', expires = '2020-01-01' }}, \
         {{ rule = 'S701', path = 'x/', sha256 = '{DIGEST}' }}]\n"
    );
    let (settings, rules) = (settings(&text, Flags::default()), rules());
    let policy = Policy::new(&settings, &rules, TODAY);
    let findings = [("S101", "a"), ("S801", "a")]
        .map(|(code, path)| policy.finding(hit(&rules, code, path, &[]), &FileContext::default()));
    assert_eq!(source(&findings[0]), "active");
    let all = [String::new()];
    let notes = |everything: bool| {
        let folders = if everything { &all[..] } else { &[] };
        policy.notes(&findings, &policy.suppressions(folders, &[]))
    };
    assert_snapshot!(notes(true).join("\n"), @r#"
    .modelaudit.toml suppresses 1 finding
    .modelaudit.toml:1:13: the suppression of S710 matched nothing: remove it, or correct its conditions
    .modelaudit.toml:1:29: the suppression of S101 ended on 2026-06-14: its findings count again
    .modelaudit.toml:1:70: the suppression of S301 ended on 2020-01-01: remove it
    .modelaudit.toml:1:113: the suppression of S701 in x/ for sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef matched nothing: digests were not computed
    "#);
    // A part of the files cannot tell which entries do nothing.
    assert_eq!(notes(false).len(), 3);
}

/// A finding of a rule with this severity; `None` gives no finding.
fn outcome(text: &str, severity: Option<Severity>, status: Status, errors: &[&str]) -> Verdict {
    let (settings, rules) = (settings(text, Flags::default()), rules());
    let policy = Policy::new(&settings, &rules, TODAY);
    let findings: Vec<Finding> = severity
        .map(|severity| policy.finding(Hit { severity, ..hit(&rules, "S101", "a", &[]) }, &FileContext::default()))
        .into_iter()
        .collect();
    let coverage = [Coverage { path: "a".into(), status, reason: None, bytes: 1 }];
    let errors: Vec<String> = errors.iter().map(|&error| error.into()).collect();
    policy.verdict(&findings, &coverage, &errors)
}

#[test]
fn the_verdict_follows_the_table() {
    use Severity::{Critical, Info, Low, Medium};
    use Status::{Complete, Failed, Partial, Skipped};
    type Case<'c> = (&'c str, Option<Severity>, Status, &'c [&'c str], Verdict);
    let cases: &[Case<'_>] = &[
        ("", None, Complete, &[], Verdict::Pass),
        ("", Some(Low), Complete, &[], Verdict::Pass),
        ("", Some(Medium), Complete, &[], Verdict::Fail),
        ("fail_on = 'info'", Some(Info), Complete, &[], Verdict::Fail),
        ("fail_on = 'critical'", Some(Medium), Complete, &[], Verdict::Pass),
        ("fail_on = 'never'", Some(Critical), Complete, &[], Verdict::Pass),
        ("fail_on = 'never'", Some(Critical), Complete, &["gone"], Verdict::Error),
        ("", Some(Critical), Failed, &["gone"], Verdict::Fail),
        ("", Some(Low), Failed, &[], Verdict::Error),
        ("", None, Partial, &["a: truncated"], Verdict::Error),
        ("", None, Partial, &[], Verdict::Pass),
        ("", None, Skipped, &[], Verdict::Pass),
        ("strict = true", None, Partial, &[], Verdict::Error),
        ("strict = true", None, Skipped, &[], Verdict::Error),
        ("strict = true", None, Complete, &[], Verdict::Pass),
        ("suppress = ['S101']", Some(Critical), Complete, &[], Verdict::Pass),
        ("[severity]\nS101 = 'low'", Some(Critical), Complete, &[], Verdict::Pass),
    ];
    for (text, severity, status, errors, expected) in cases {
        assert_eq!(outcome(text, *severity, *status, errors), *expected, "{text} {severity:?} {status:?} {errors:?}");
    }
}

#[test]
fn fixed_findings_do_not_count() {
    let (settings, rules) = (settings("", Flags::default()), rules());
    let policy = Policy::new(&settings, &rules, TODAY);
    let mut finding = policy.finding(hit(&rules, "S101", "a", &[]), &FileContext::default());
    finding.state = State::Fixed;
    assert_eq!(policy.verdict(&[finding], &[], &[]), Verdict::Pass);
}
