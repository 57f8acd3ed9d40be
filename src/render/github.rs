//! Workflow commands of GitHub Actions: findings as annotations of a job.
//!
//! GitHub shows ten annotations of each level for a step and drops the rest without a word, so the worst come first and
//! the tenth says how many there are beside. Whatever starts a line here is ours: the runner obeys every line that
//! looks like a command.

use std::io::{self, Write};

use super::{groups, phrase, unread, wording};
use crate::finding::Severity;
use crate::report::{Report, Status};

/// Annotations of one level that GitHub shows for a step.
const SHOWN: usize = 10;

/// Characters of a message.
const MESSAGE: usize = 1_000;

/// Reports are written without choices so far.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {}

/// The levels of annotations, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Notice];

    const fn of(severity: Severity) -> Self {
        match severity {
            Severity::Critical | Severity::High => Self::Error,
            Severity::Medium => Self::Warning,
            Severity::Low | Severity::Info | Severity::Debug => Self::Notice,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

struct Annotation {
    level: Level,
    file: Option<String>,
    title: String,
    message: String,
}

/// Prints the annotations and one line that sums up.
///
/// # Errors
/// Those of the stream.
pub fn write(report: &Report, _: &Options, out: &mut dyn Write) -> io::Result<()> {
    let all = annotations(report);
    for level in Level::ALL {
        let of_level: Vec<&Annotation> = all.iter().filter(|one| one.level == level).collect();
        let room = if of_level.len() > SHOWN { SHOWN - 1 } else { SHOWN };
        of_level.iter().take(room).try_for_each(|one| command(out, one))?;
        let more = of_level.len().saturating_sub(room);
        if more > 0 {
            let message = format!("{more} more of this level are in the full report of this run.");
            command(out, &Annotation { level, file: None, title: "modelaudit: not all is shown".into(), message })?;
        }
    }
    let what = phrase::tally(report.active()).unwrap_or_else(|| "no findings".into());
    let unread = match unread::total(report) {
        0 => String::new(),
        files => format!("; {} not read completely", phrase::count(files, "file")),
    };
    let (scanned, verdict) = (phrase::scanned(report), phrase::verdict(report.verdict));
    writeln!(out, "modelaudit: {what} ({scanned}){unread}; verdict: {verdict}")
}

/// What there is to say, worst first within a level.
fn annotations(report: &Report) -> Vec<Annotation> {
    let errors = report.errors.iter().map(|error| Annotation {
        level: Level::Error,
        file: None,
        title: "modelaudit: error".into(),
        message: wording::line(error, MESSAGE),
    });
    let findings = groups::by_rule_and_file(report, report.active()).into_iter().map(|group| {
        let also = match group.others.len() {
            0 => String::new(),
            others => format!(" {} of this rule in this file.", phrase::count(others as u64, "more finding")),
        };
        Annotation {
            level: Level::of(group.worst.severity),
            file: Some(wording::file(&group.worst.path)),
            title: format!(
                "{} {}",
                wording::line(&group.worst.rule_code, 20),
                wording::line(&group.worst.rule_name, 80)
            ),
            message: wording::headline(group.worst, MESSAGE) + &also,
        }
    });
    let broken = unread::broken(report).map(|file| Annotation {
        level: if file.status == Status::Failed { Level::Error } else { Level::Warning },
        file: Some(wording::file(&file.path)),
        title: "modelaudit: not read completely".into(),
        message: format!("{}: {}", unread::word(file.status), unread::reason(file)),
    });
    let skipped = unread::skipped(report).into_iter().map(|group| Annotation {
        level: Level::Notice,
        file: None,
        title: "modelaudit: not read".into(),
        message: format!("{}: {} ({})", phrase::count(group.files, "file"), group.reason, group.kinds),
    });
    // Findings before everything else: they are what the level's few places are for.
    findings.chain(errors).chain(broken).chain(skipped).collect()
}

fn command(out: &mut dyn Write, annotation: &Annotation) -> io::Result<()> {
    write!(out, "::{} ", annotation.level.word())?;
    if let Some(file) = &annotation.file {
        write!(out, "file={},line=1,", property(file))?;
    }
    writeln!(out, "title={}::{}", property(&annotation.title), data(&annotation.message))
}

/// The rules of the runner for what stands behind the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The rules of the runner for a value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_end_what_they_are_in() {
        assert_eq!(property("a,b::c%0A\r\n"), "a%2Cb%3A%3Ac%250A%0D%0A");
        assert_eq!(data("50%: a, b\n::error::x"), "50%25: a, b%0A::error::x");
    }
}
