//! `modelaudit config init|check|show`

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;

use crate::config::{Environment, Flags, GlobalRule, PathGlob, Settings, Source, Sourced, SuppressEntry, TEMPLATE};
use crate::finding::Severity;
use crate::rules::RuleSet;

/// Column at which `show` says where a setting comes from.
const FROM: usize = 44;

/// Writes the commented template; `-` prints it.
///
/// # Errors
/// The file exists and `force` was not asked for, or it cannot be written.
pub fn init(file: &Path, force: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if file == Path::new("-") {
        out.write_all(TEMPLATE.as_bytes())?;
        return Ok(());
    }
    let shown = file.display();
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut target = match options.open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            anyhow::bail!("{shown} exists\n  help: edit it, or replace it with --force")
        }
        opened => opened.with_context(|| format!("cannot write {shown}"))?,
    };
    target.write_all(TEMPLATE.as_bytes()).with_context(|| format!("cannot write {shown}"))?;
    writeln!(out, "{shown}: written, with every setting commented out")?;
    Ok(())
}

/// Validates the configuration that a scan with these flags would use.
///
/// # Errors
/// The configuration is wrong: the error lists every mistake with its line. Or writing fails.
pub fn check(flags: &Flags, env: &Environment, rules: &RuleSet, out: &mut dyn Write) -> anyhow::Result<()> {
    let settings = Settings::load(flags, env, rules)?;
    match &settings.file {
        Some(file) => writeln!(out, "{}: no mistakes", shown(file, env))?,
        None => writeln!(out, "no configuration file was found: the defaults are in force")?,
    }
    for note in &settings.notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}

fn shown(file: &Path, env: &Environment) -> String {
    file.strip_prefix(&env.directory).unwrap_or(file).display().to_string()
}

/// Prints the settings in force as TOML, each with where it comes from.
///
/// # Errors
/// The settings are wrong, or writing fails.
pub fn show(flags: &Flags, env: &Environment, rules: &RuleSet, out: &mut dyn Write) -> anyhow::Result<()> {
    let settings = Settings::load(flags, env, rules)?;
    match &settings.file {
        Some(file) => writeln!(out, "# configuration file: {}", shown(file, env))?,
        None => writeln!(out, "# configuration file: none")?,
    }
    for note in &settings.notes {
        writeln!(out, "# note: {note}")?;
    }
    Printer { out }.settings(&settings)?;
    Ok(())
}

struct Printer<'o> {
    out: &'o mut dyn Write,
}

impl Printer<'_> {
    fn settings(&mut self, settings: &Settings) -> io::Result<()> {
        let level = |level: Option<Severity>| quoted(level.map_or("never", Severity::as_str));
        self.value("fail_on", &settings.fail_on, |value| level(*value))?;
        self.value("strict", &settings.strict, ToString::to_string)?;
        self.value("skip_payload", &settings.skip_payload, ToString::to_string)?;
        self.value("max_file_size", &settings.max_file_size, |size| size.unwrap_or(0).to_string())?;
        self.value("max_total_size", &settings.max_total_size, |size| size.unwrap_or(0).to_string())?;
        self.value("max_decoded_size", &settings.max_decoded_size, |size| size.unwrap_or(0).to_string())?;
        self.value("max_members", &settings.max_members, |members| members.unwrap_or(0).to_string())?;
        self.value("max_depth", &settings.max_depth, ToString::to_string)?;
        self.value("timeout", &settings.timeout, |time| time.map_or(0, |time| time.as_secs()).to_string())?;
        self.value("jobs", &settings.jobs, |jobs| jobs.unwrap_or(0).to_string())?;
        self.list("include", settings.include.iter().map(glob))?;
        self.list("exclude", settings.exclude.iter().map(glob))?;
        let text = |entry: &Sourced<String>| (quoted(&entry.value), entry.source.to_string());
        self.list("blacklist", settings.blacklist.iter().map(text))?;
        self.list("blocked_hashes", settings.blocked_hashes.iter().map(text))?;
        self.list("suppress", settings.suppress.iter().map(|entry| (suppression(entry), entry.source.to_string())))?;
        self.levels("severity", &settings.severity)?;
        if !settings.ignore.is_empty() {
            writeln!(self.out, "\n[ignore]")?;
        }
        for entry in &settings.ignore {
            let codes: Vec<String> = entry.rules.iter().map(|code| quoted(code)).collect();
            self.line(&format!("{} = [{}]", quoted(entry.path.as_str()), codes.join(", ")), &entry.source)?;
        }
        self.globals(&settings.globals)?;
        self.levels("tensorflow_rules", &settings.tensorflow)?;
        self.levels("keras_rules", &settings.keras)?;
        if !settings.patterns.is_empty() {
            writeln!(self.out, "\n[custom_patterns]")?;
            self.list("patterns", settings.patterns.iter().map(text))?;
        }
        Ok(())
    }

    fn line(&mut self, setting: &str, source: &Source) -> io::Result<()> {
        writeln!(self.out, "{setting:FROM$} # {source}")
    }

    fn value<T>(&mut self, key: &str, value: &Sourced<T>, print: impl Fn(&T) -> String) -> io::Result<()> {
        self.line(&format!("{key} = {}", print(&value.value)), &value.source)
    }

    fn list(&mut self, key: &str, items: impl ExactSizeIterator<Item = (String, String)>) -> io::Result<()> {
        if items.len() == 0 {
            return Ok(());
        }
        writeln!(self.out, "{key} = [")?;
        for (item, source) in items {
            writeln!(self.out, "{:FROM$} # {source}", format!("    {item},"))?;
        }
        writeln!(self.out, "]")
    }

    fn levels(&mut self, table: &str, levels: &BTreeMap<String, Sourced<Severity>>) -> io::Result<()> {
        if !levels.is_empty() {
            writeln!(self.out, "\n[{table}]")?;
        }
        for (key, level) in levels {
            self.line(&format!("{} = {}", quoted(key), quoted(level.value.as_str())), &level.source)?;
        }
        Ok(())
    }

    fn globals(&mut self, rules: &[GlobalRule]) -> io::Result<()> {
        let mut tables: BTreeMap<_, BTreeMap<&str, Vec<&GlobalRule>>> = BTreeMap::new();
        for rule in rules {
            tables.entry(std::cmp::Reverse(rule.level)).or_default().entry(&rule.module).or_default().push(rule);
        }
        for (std::cmp::Reverse(level), modules) in tables {
            writeln!(self.out, "\n[pickle_rules.{}]", level.map_or("safe", Severity::as_str))?;
            for (module, rules) in modules {
                let items = rules.iter().map(|rule| (quoted(&rule.name), rule.source.to_string()));
                self.list(&quoted(module), items)?;
            }
        }
        Ok(())
    }
}

fn glob(entry: &Sourced<PathGlob>) -> (String, String) {
    (quoted(entry.value.as_str()), entry.source.to_string())
}

/// A code alone, or an inline table.
fn suppression(entry: &SuppressEntry) -> String {
    let day = entry.expires.map(|day| format!("expires = {day}"));
    if day.is_none()
        && let Some(code) = &entry.rule
        && entry.texts().count() == 1
    {
        return quoted(code);
    }
    let texts = entry.texts().map(|(key, text)| format!("{key} = {}", quoted(text)));
    format!("{{ {} }}", texts.chain(day).collect::<Vec<_>>().join(", "))
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
