//! The comment on a change request: complete, within its limit, and inert whatever a file is called.

use modelaudit::finding::State;
use modelaudit::render::markdown::{COMMENT_LIMIT, Options, write};
use modelaudit::report::Report;

use crate::sample::{HOSTILE, empty, is_visible, review, shards, spoilt};

fn render(report: &Report) -> String {
    let mut out = Vec::new();
    write(report, &Options { key: "models", ..Options::default() }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What a host may act on: the text without code spans and fenced blocks.
fn outside_code(text: &str) -> String {
    let mut out = String::new();
    let mut fence: Option<String> = None;
    for line in text.lines() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        if let Some(open) = &fence {
            if line.trim_end() == open {
                fence = None;
            }
            continue;
        }
        if ticks.len() >= 3 {
            fence = Some(ticks);
            continue;
        }
        let spans: Vec<&str> = line.split('`').collect();
        assert!(spans.len() % 2 == 1 || line.contains("\\`"), "an open code span: {line}");
        out.extend(spans.iter().step_by(2).copied());
        out.push('\n');
    }
    assert!(fence.is_none(), "an open fence");
    out
}

#[test]
fn a_run_over_nothing() {
    insta::assert_snapshot!(render(&empty()));
}

#[test]
fn a_change_with_everything() {
    insta::assert_snapshot!(render(&review()));
}

#[test]
fn without_a_base_findings_are_not_called_new() {
    let mut report = review();
    report.diff = None;
    let text = render(&report);
    assert!(text.contains("#### 1 critical") && !text.contains("New:") && !text.contains("Compared"), "{text}");
}

#[test]
fn hostile_names_stay_text() {
    let text = render(&spoilt());
    assert!(is_visible(&text), "{text:?}");
    let open = outside_code(&text);
    for sign in ["@", "](", "http", "<img", "![", "#1 ", "```"] {
        let escaped =
            open.replace("\\]", "").replace("\\[", "").replace("\\!", "").replace("\\<", "").replace("\\`", "");
        assert!(!escaped.replace("http\\\\u{3a}", "").contains(sign), "{sign} in:\n{open}");
    }
    // The only HTML is the template's own.
    let tags = |text: &str| {
        ["<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<!--", "-->"]
            .map(|tag| text.matches(tag).count())
    };
    let (hostile, tame) = (outside_code(&hostile_as_rich()), outside_code(&render(&review())));
    assert_eq!(tags(&hostile), tags(&tame), "{hostile}");
    // Every row has its cells and no more.
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells = line.replace("\\|", "").matches('|').count() - 1;
        assert!(cells == 3 || cells == 4, "{cells} cells: {line}");
    }
}

/// The hostile report with the coverage and diff of the rich one kept in number.
fn hostile_as_rich() -> String {
    render(&spoilt()).replace("\\<", "")
}

#[test]
fn the_entry_that_accepts_is_exact() {
    let text = render(&spoilt());
    let block = text.split("```toml\n").nth(1).and_then(|rest| rest.split("\n```").next()).unwrap();
    let table: toml::Table = toml::from_str(block).unwrap();
    let entries = table.get("suppress").and_then(toml::Value::as_array).unwrap();
    let path = entries[0].get("path").and_then(toml::Value::as_str).unwrap();
    let glob = globset::Glob::new(path).unwrap().compile_matcher();
    assert!(glob.is_match(HOSTILE), "{path:?}");
    assert!(!glob.is_match("other.pt"));
    assert_eq!(entries[0].get("rule").and_then(toml::Value::as_str), Some("S101"));
    assert_eq!(entries[0].get("expires").and_then(toml::Value::as_str), Some("2025-09-15"));
}

#[test]
fn long_comments_are_cut_and_say_so() {
    for (count, state) in [(10_000, State::New), (10_000, State::Unchanged), (300, State::New)] {
        let mut report = shards(count);
        report.issues.iter_mut().for_each(|finding| finding.state = state);
        let text = render(&report);
        assert!(text.len() <= COMMENT_LIMIT, "{} bytes", text.len());
        let shown = text.matches("| `S101` os-module-import |").count();
        // One row is the fixed finding of the base.
        let told = text.lines().find(|line| line.contains(" more finding"));
        let hidden: usize = told.map_or(0, |line| {
            line.trim_start_matches("**").split(' ').next().and_then(|number| number.parse().ok()).unwrap()
        });
        assert_eq!(shown - 1 + hidden, count, "{told:?}");
        assert!(count < 1000 || shown > 100, "only {shown} rows");
        assert!(text.ends_with("</sub>\n"));
        outside_code(&text);
    }
}

#[test]
fn worst_findings_come_first() {
    let text = render(&shards(10_000));
    assert!(text.contains("#### New: 2500 critical"));
    assert!(!text.contains(" low\n"));
}

#[test]
fn hostile_reports_of_any_size_fit() {
    let mut report = spoilt();
    let one = report.issues[0].clone();
    report.issues = (0..500).map(|_| one.clone()).collect();
    report.errors = vec![HOSTILE.repeat(50); 1000];
    report.notes = report.errors.clone();
    report.coverage = (0..2000).map(|n| report.coverage[n % 5].clone()).collect();
    let text = render(&report);
    assert!(text.len() <= COMMENT_LIMIT, "{} bytes", text.len());
    assert!(text.starts_with("<!-- modelaudit:pr-comment v1 key=models -->\n"));
}
