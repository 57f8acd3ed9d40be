//! `modelaudit doctor`: what this build can do here, and which settings are in force.

use std::io::{self, Write};

use crate::config::{ConfigError, Settings};
use crate::formats::FORMATS;
use crate::names::NamesTable;
use crate::rules::RuleSet;

/// One thing that was examined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What: `git`, `git-lfs`.
    pub name: String,
    /// True if it works.
    pub works: bool,
    /// What was found; for what does not work, also what to do about it.
    pub detail: String,
}

impl Check {
    /// Something that works.
    #[must_use]
    pub fn works(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), works: true, detail: detail.into() }
    }

    /// Something that does not work.
    #[must_use]
    pub fn fails(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), works: false, detail: detail.into() }
    }
}

/// Prints what was examined: the parts of the program, the settings, and what `surroundings` adds (git, large files).
/// Returns true if everything works.
///
/// # Errors
/// Writing fails.
pub fn run(
    settings: &Result<Settings, ConfigError>,
    rules: &RuleSet,
    surroundings: &[Check],
    show_failed: bool,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let mut checks = vec![formats(), rule_set(rules), names(), configuration(settings)];
    if let Ok(settings) = settings {
        checks.push(limits(settings));
        checks.extend(settings.notes.iter().map(|note| Check::works("note", note)));
    }
    checks.extend_from_slice(surroundings);
    let failed = checks.iter().filter(|check| !check.works).count();
    writeln!(out, "modelaudit {}", env!("CARGO_PKG_VERSION"))?;
    for check in checks.iter().filter(|check| !(show_failed && check.works)) {
        let word = if check.works { "ok" } else { "FAILED" };
        let mut lines = check.detail.lines();
        writeln!(out, "{word:<7} {:<14} {}", check.name, lines.next().unwrap_or_default())?;
        for line in lines {
            writeln!(out, "{:23}{line}", "")?;
        }
    }
    match failed {
        0 => writeln!(out, "everything works")?,
        failed => writeln!(out, "{failed} of {} checks failed", checks.len())?,
    }
    Ok(failed == 0)
}

fn formats() -> Check {
    let mut names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    names.sort_unstable();
    // Decoders are part of the binary: none can be missing for want of a library.
    Check::works("formats", format!("{} can be read: {}", names.len(), names.join(", ")))
}

fn rule_set(rules: &RuleSet) -> Check {
    let all = rules.rules().len();
    let in_force = rules.rules().iter().filter(|rule| !rule.on.is_empty()).count();
    let detail = format!("{in_force} of {all} look at files in this version, {}", rules.digest());
    match all {
        0 => Check::fails("rules", "this build has no rules: it would find nothing"),
        _ => Check::works("rules", detail),
    }
}

fn names() -> Check {
    let NamesTable { digest, origin } = NamesTable::shipped();
    match NamesTable::names() {
        0 => Check::fails("known names", "the table cannot be read: classes of common packages are reported"),
        names => Check::works("known names", format!("{names} of {origin}, {digest}")),
    }
}

fn configuration(settings: &Result<Settings, ConfigError>) -> Check {
    match settings {
        Ok(Settings { file: Some(file), .. }) => Check::works("configuration", file.display().to_string()),
        Ok(_) => Check::works("configuration", "no file, the defaults are in force"),
        Err(error) => Check::fails("configuration", error.to_string()),
    }
}

fn limits(settings: &Settings) -> Check {
    let number = |limit: Option<u64>, unit: &str| limit.map_or("any".to_owned(), |limit| format!("{limit} {unit}"));
    let limits = settings.limits();
    let detail = format!(
        "file size {}, total size {}, time for a file {}, threads {}\ndecoded bytes {}, members {}, nesting {}, work {}",
        number(limits.max_file_size, "bytes"),
        number(settings.max_total_size.value, "bytes"),
        number(limits.timeout.map(|time| time.as_secs()), "s"),
        settings.jobs.value.map_or("one for each core".to_owned(), |jobs| jobs.to_string()),
        limits.decoded_bytes,
        limits.members,
        limits.depth,
        limits.work,
    );
    Check::works("limits", detail)
}
