//! `JUnit`'s XML, for the test panels of Jenkins, GitLab, Azure DevOps, `CircleCI` and others.
//!
//! Each file that was looked at is a test case that passes if the file was read to its end; each rule that a file meets
//! is one more, which fails if its findings fail the run. The elements and their order are those of the schema that
//! Jenkins checks; text is escaped so that no character that XML 1.0 forbids gets in.

use std::io::{self, Write};

use super::groups::{self, Group};
use super::room::Room;
use super::{phrase, time, unread, wording};
use crate::report::{Coverage, Report, Status};

/// Findings that one case tells.
const TOLD: usize = 50;

/// Characters of a message.
const MESSAGE: usize = 1_000;

/// Bytes of a case beside its texts.
const FRAME: usize = 200;

/// Reports are written without choices so far.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {}

/// How a case ends.
enum End {
    Passed,
    Failed,
    Error,
    Skipped,
}

struct Case {
    class: String,
    name: String,
    end: End,
    /// One line.
    message: String,
    /// What kind of failure: the severity.
    kind: String,
    body: String,
}

/// Writes the report, with a newline at the end.
///
/// # Errors
/// Those of the stream.
pub fn write(report: &Report, _: &Options, out: &mut dyn Write) -> io::Result<()> {
    let all = cases(report);
    let mut room = Room::of_document();
    let shown = all.iter().take_while(|case| room.take_bytes(case.size())).count();
    let left_out = all.len() - shown;
    let cases = all.get(..shown).unwrap_or_default();
    let count = |end: fn(&End) -> bool| cases.iter().filter(|case| end(&case.end)).count();
    let (tests, failures, errors) =
        (cases.len(), count(|end| matches!(end, End::Failed)), count(|end| matches!(end, End::Error)));
    let skipped = count(|end| matches!(end, End::Skipped));
    let time = format!("{:.3}", if report.duration.is_finite() { report.duration.max(0.0) } else { 0.0 });

    let name = escaped(&report.tool.name);
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="{name}" time="{time}" tests="{tests}" failures="{failures}" errors="{errors}">"#
    )?;
    write!(
        out,
        r#"  <testsuite name="{name}" tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}" time="{time}""#
    )?;
    if report.start_time >= 1.0 {
        write!(out, r#" timestamp="{}""#, time::plain(report.start_time))?;
    }
    writeln!(out, ">\n    <properties>")?;
    let facts = [
        ("version", report.tool.version.as_str()),
        ("rules_digest", &report.tool.rules_digest),
        ("names_digest", &report.tool.names_digest),
        ("verdict", phrase::verdict(report.verdict)),
    ];
    for (name, value) in facts {
        writeln!(out, r#"      <property name="{name}" value="{}"/>"#, escaped(&wording::line(value, 200)))?;
    }
    writeln!(out, "    </properties>")?;
    cases.iter().try_for_each(|case| case.write(out))?;
    let mut remarks: Vec<String> = report.notes.iter().take(TOLD).map(|note| wording::line(note, MESSAGE)).collect();
    if left_out > 0 {
        remarks.insert(0, format!("{left_out} more cases did not fit; the JSON report holds everything"));
    }
    if !remarks.is_empty() {
        writeln!(out, "    <system-out>{}</system-out>", escaped_lines(&remarks.join("\n")))?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

/// Cases that fail first, so that what does not fit matters least.
fn cases(report: &Report) -> Vec<Case> {
    let active = groups::by_rule_and_file(report, report.active());
    let suppressed = report.issues.iter().filter(|finding| finding.suppression.is_some());
    let suppressed = groups::by_rule_and_file(report, suppressed);
    let errors = report.errors.iter().enumerate().map(|(n, error)| Case {
        class: "modelaudit".into(),
        name: format!("error {}", n + 1),
        end: End::Error,
        message: wording::line(error, MESSAGE),
        kind: "error".into(),
        body: String::new(),
    });
    let with = |status| report.coverage.iter().filter(move |file| file.status == status);
    let found = active.iter().map(|group| case(report, group));
    let broken = unread::broken(report).map(read);
    let others = with(Status::Skipped).chain(with(Status::Complete)).map(read);
    found.chain(errors).chain(broken).chain(suppressed.iter().map(accepted)).chain(others).collect()
}

fn case(report: &Report, group: &Group<'_>) -> Case {
    let fails = groups::fails(report, group.worst.severity);
    let mut lines: Vec<String> = group
        .findings()
        .take(TOLD)
        .map(|finding| {
            let chain = wording::chain(&finding.path, &finding.members, MESSAGE);
            let place = phrase::place(finding).map(|place| format!(" at {place}")).unwrap_or_default();
            format!("{}: {chain}{place}: {}", finding.severity, wording::line(&finding.message, MESSAGE))
        })
        .collect();
    let more = group.len().saturating_sub(TOLD);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    for (label, text) in [("Why", &group.worst.why), ("Fix", &group.worst.fix)] {
        if !text.is_empty() {
            lines.push(format!("{label}: {}", phrase::one_line(text, 4 * MESSAGE)));
        }
    }
    Case {
        class: class(&group.worst.path),
        name: name(group),
        end: if fails { End::Failed } else { End::Passed },
        message: wording::headline(group.worst, MESSAGE),
        kind: group.worst.severity.to_string(),
        body: lines.join("\n"),
    }
}

fn accepted(group: &Group<'_>) -> Case {
    let reason = group.worst.suppression.as_ref().and_then(|decision| decision.reason.as_deref());
    Case {
        class: class(&group.worst.path),
        name: format!("{} (suppressed)", name(group)),
        end: End::Skipped,
        message: format!("suppressed: {}", wording::line(reason.unwrap_or("no reason given"), MESSAGE)),
        kind: group.worst.severity.to_string(),
        body: String::new(),
    }
}

/// Whether a file was read to its end.
fn read(file: &Coverage) -> Case {
    Case {
        class: class(&file.path),
        name: "read to the end".into(),
        end: match file.status {
            Status::Complete => End::Passed,
            Status::Skipped => End::Skipped,
            Status::Partial | Status::Failed => End::Error,
        },
        message: unread::reason(file),
        kind: unread::word(file.status).into(),
        body: String::new(),
    }
}

fn class(path: &str) -> String {
    wording::word(path, MESSAGE)
}

fn name(group: &Group<'_>) -> String {
    format!("{} {}", wording::line(&group.worst.rule_code, 20), wording::line(&group.worst.rule_name, 80))
}

impl Case {
    /// At most so many bytes, for the worst case that everything is escaped.
    fn size(&self) -> usize {
        let texts = [&self.class, &self.name, &self.message, &self.kind, &self.body];
        FRAME + texts.iter().map(|text| escaped_lines(text).len()).sum::<usize>()
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { class, name, end, message, kind, body } = self;
        write!(out, r#"    <testcase classname="{}" name="{}""#, escaped(class), escaped(name))?;
        let element = match end {
            End::Passed if body.is_empty() => return writeln!(out, "/>"),
            End::Passed => {
                writeln!(out, ">")?;
                writeln!(out, "      <system-out>{}</system-out>", escaped_lines(body))?;
                return writeln!(out, "    </testcase>");
            }
            End::Skipped => {
                writeln!(out, ">")?;
                writeln!(out, r#"      <skipped message="{}"/>"#, escaped(message))?;
                return writeln!(out, "    </testcase>");
            }
            End::Failed => "failure",
            End::Error => "error",
        };
        writeln!(out, ">")?;
        let (message, kind, body) = (escaped(message), escaped(kind), escaped_lines(body));
        writeln!(out, r#"      <{element} message="{message}" type="{kind}">{body}</{element}>"#)?;
        writeln!(out, "    </testcase>")
    }
}

/// One line as the value of an attribute.
fn escaped(text: &str) -> String {
    escaped_lines(&wording::line(text, 4 * MESSAGE))
}

/// Text of lines that are safe to show already. Only characters that XML 1.0 allows are left then: the rest are hidden
/// ones, which were spelt out.
fn escaped_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            // Else `]]>` would stand in text, which is not allowed.
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
    // A host of CI would take these for commands when the document goes to a log.
    out.replace("##[", "&#35;#[").replace("##vso[", "&#35;#vso[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(
            escaped("a]]><b x=\"1\">&\u{0}\u{fffe}\n"),
            "a]]&gt;&lt;b x=&quot;1&quot;&gt;&amp;\\u{0}\\u{fffe}\\n"
        );
    }
}
