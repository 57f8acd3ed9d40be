//! `modelaudit render`: any output format from a saved JSON report.
//!
//! The report may have been written where somebody else could change it: by the workflow of a fork, for one that has
//! the right to comment. It is checked strictly, and every text about a rule that this build knows is taken from
//! this build.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::escape::{CAP, printable};
use crate::finding::Finding;
use crate::render::json;
use crate::report::Report;
use crate::rules::RuleSet;

/// Reads a saved report (`-`: from standard input) and checks it.
///
/// # Errors
/// The file cannot be read or is not a report.
pub fn load(from: &Path) -> anyhow::Result<Report> {
    let read = if from.as_os_str() == "-" {
        json::read_from(io::stdin().lock())
    } else {
        File::open(from).map_err(json::ReadError::from).and_then(json::read_from)
    };
    let mut report = read.map_err(|error| {
        let help = match error {
            json::ReadError::Io(_) => "",
            _ => "\n  help: it must be the output of `modelaudit scan -f json` of this version",
        };
        let name = printable(&from.to_string_lossy(), CAP);
        anyhow::anyhow!("cannot read the report {name}: {:#}{help}", anyhow::Error::from(error))
    })?;
    own_words(&mut report);
    Ok(report)
}

/// Puts this build's words in place of the report's wherever this build knows the rule.
fn own_words(report: &mut Report) {
    let rules = RuleSet::shipped();
    for info in &mut report.rules {
        if let Some(rule) = rules.get(&info.code) {
            *info = rule.info();
        }
    }
    let fixed = report.diff.iter_mut().flat_map(|diff| &mut diff.fixed);
    for Finding { rule_code, rule_name, why, fix, .. } in report.issues.iter_mut().chain(fixed) {
        if let Some(rule) = rules.get(rule_code) {
            rule_name.clone_from(&rule.name);
            why.clone_from(&rule.why);
            fix.clone_from(&rule.fix);
        }
    }
}
