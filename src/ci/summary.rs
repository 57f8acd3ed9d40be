//! What later steps and people get from a run: counts as outputs, a summary of the job.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use uuid::Uuid;

use crate::finding::{Severity, State};
use crate::render::markdown;
use crate::report::{Report, Status, Verdict};

/// What later steps may read: a name and one line of text.
pub type Outputs = Vec<(&'static str, String)>;

/// The outcome of a run in numbers.
#[must_use]
pub fn outputs(report: &Report, incomplete: bool) -> Outputs {
    let count = |level: Severity| report.active().filter(|finding| finding.severity == level).count();
    let state = |state: State| report.active().filter(|finding| finding.state == state).count();
    let skipped = report.coverage.iter().filter(|file| file.status != Status::Complete).count();
    let diff = report.diff.as_ref();
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    let verdict = match report.verdict {
        Verdict::Fail => "fail",
        Verdict::Error => "incomplete",
        Verdict::Pass if incomplete => "incomplete",
        Verdict::Pass => "pass",
    };
    vec![
        ("verdict", verdict.into()),
        ("exit-code", report.verdict.exit_code().to_string()),
        ("findings", report.active().count().to_string()),
        ("critical", count(Severity::Critical).to_string()),
        ("high", count(Severity::High).to_string()),
        ("medium", count(Severity::Medium).to_string()),
        ("low", count(Severity::Low).to_string()),
        ("new-findings", state(State::New).to_string()),
        ("fixed-findings", diff.map_or(0, |diff| diff.fixed.len()).to_string()),
        ("files-scanned", report.files_scanned.to_string()),
        ("files-skipped", skipped.to_string()),
        ("base-sha", text(diff.and_then(|diff| diff.merge_base.as_ref()))),
        ("head-sha", text(report.checkout.as_ref().and_then(|checkout| checkout.revision.as_ref()))),
        ("version", report.tool.version.clone()),
    ]
}

/// Adds outputs to the file that GitHub reads them from. Each value stands between lines that nobody can foresee.
///
/// # Errors
/// Those of the file.
pub fn write_outputs(path: &Path, outputs: &Outputs) -> io::Result<()> {
    let mut file = appended(path)?;
    for (name, value) in outputs {
        let mark = format!("modelaudit-{}", Uuid::new_v4().simple());
        writeln!(file, "{name}<<{mark}\n{}\n{mark}", one_line(value))?;
    }
    file.flush()
}

/// The same as variables, for GitLab's `dotenv` report.
#[must_use]
pub fn dotenv(outputs: &Outputs) -> String {
    let mut text = String::new();
    for (name, value) in outputs {
        // GitLab takes values as they are, to the end of the line.
        let plain: String = one_line(value).chars().filter(|c| c.is_ascii_graphic() && *c != '$').take(200).collect();
        text.push_str(&format!("MODELAUDIT_CI_{}={plain}\n", name.to_ascii_uppercase().replace('-', "_")));
    }
    text
}

/// Adds the report to the summary of the job, within what is left of its size.
///
/// # Errors
/// Those of the file.
pub fn write_summary(path: &Path, report: &Report, lead: &str) -> io::Result<()> {
    let mut file = appended(path)?;
    let taken = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let limit = markdown::SUMMARY_LIMIT.saturating_sub(taken);
    if limit < 4096 {
        return file.write_all(b"\nmodelaudit: the summary of this job is full.\n");
    }
    let options = markdown::Options { limit, lead, ..markdown::Options::default() };
    let mut text = Vec::new();
    markdown::write(report, &options, &mut text)?;
    file.write_all(&text)?;
    file.write_all(b"\n")
}

/// Says in the summary why there is no report.
///
/// # Errors
/// Those of the file.
pub fn write_failure(path: &Path, error: &str) -> io::Result<()> {
    let text: String = crate::escape::printable(error, 2000).replace('`', "'");
    appended(path)?.write_all(format!("### modelaudit: error\n\n`{text}`\n").as_bytes())
}

fn appended(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn one_line(text: &str) -> String {
    crate::escape::printable(text, 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_cannot_be_ended_by_their_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output");
        let outputs = vec![("a", "x\nb<<EOF\n1\nEOF".to_owned()), ("b", "2".to_owned())];
        write_outputs(&path, &outputs).unwrap();
        #[expect(clippy::disallowed_methods, reason = "written by this test")]
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 6, "{text}");
        assert_eq!(dotenv(&outputs), "MODELAUDIT_CI_A=x\\nb<<EOF\\n1\\nEOF\nMODELAUDIT_CI_B=2\n");
    }
}
