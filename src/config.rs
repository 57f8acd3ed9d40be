//! Settings: what the user asked for, from flags, environment and file, checked once and then fixed.
//!
//! Flags win over the environment (`MODELAUDIT_*`), the environment over the file; a list or a table collects the
//! entries of all three. Exactly one file is in force: the one named by `--config`, else the first that is found (see
//! [`Environment`] for where). Nothing else of this program reads configuration files or our environment variables.
//!
//! A file inside the repository under review belongs to its author: whoever opens a pull request can change it. What
//! it suppresses is therefore never silent (findings stay in the report, marked and counted), and a gate that must
//! not depend on it names its own file with `--config` or uses `--no-config`.

mod error;
mod file;
mod find;
mod layer;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::{ConfigError, Mistake, Source, nearest};
pub use find::{Environment, Project};
pub use layer::{GlobalRule, IgnoreEntry, Sourced, SuppressEntry};
pub use value::{PathGlob, parse_date};

use crate::bytes::Limits;
use crate::finding::Severity;
use crate::rules::{Class, GlobalEntry, GlobalTable, RuleError, RuleSet, Watchlist};
use layer::{Checks, Layer};

/// The template that `modelaudit config init` writes.
pub const TEMPLATE: &str = include_str!("../templates/modelaudit.toml");

/// What the command line asks for, still as text. The default asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--no-config`.
    pub no_config: bool,
    /// `--baseline`.
    pub baseline: Option<PathBuf>,
    /// `--fail-on`.
    pub fail_on: Option<String>,
    /// `--strict`.
    pub strict: bool,
    /// `--skip-payload`.
    pub skip_payload: bool,
    /// `--suppress`, each.
    pub suppress: Vec<String>,
    /// `--severity`, each `CODE=LEVEL`.
    pub severity: Vec<String>,
    /// `--blacklist`, each.
    pub blacklist: Vec<String>,
    /// `--include`, each.
    pub include: Vec<String>,
    /// `--exclude`, each.
    pub exclude: Vec<String>,
    /// `--max-file-size`.
    pub max_file_size: Option<String>,
    /// `--max-total-size`.
    pub max_total_size: Option<String>,
    /// `--max-decoded-size`.
    pub max_decoded_size: Option<String>,
    /// `--max-members`.
    pub max_members: Option<String>,
    /// `--max-depth`.
    pub max_depth: Option<String>,
    /// `--timeout`.
    pub timeout: Option<String>,
    /// `--jobs`.
    pub jobs: Option<String>,
}

impl Flags {
    fn layer(&self, checks: &mut Checks<'_>) -> Layer {
        let mut layer = Layer::default();
        let on = |truth: bool| truth.then(|| "true".to_owned());
        for (key, flag, text) in [
            ("fail_on", "--fail-on", self.fail_on.clone()),
            ("strict", "--strict", on(self.strict)),
            ("skip_payload", "--skip-payload", on(self.skip_payload)),
            ("max_file_size", "--max-file-size", self.max_file_size.clone()),
            ("max_total_size", "--max-total-size", self.max_total_size.clone()),
            ("max_decoded_size", "--max-decoded-size", self.max_decoded_size.clone()),
            ("max_members", "--max-members", self.max_members.clone()),
            ("max_depth", "--max-depth", self.max_depth.clone()),
            ("timeout", "--timeout", self.timeout.clone()),
            ("jobs", "--jobs", self.jobs.clone()),
        ] {
            if let Some(text) = text {
                layer.set(checks, key, &text, &Source::Flag(flag));
            }
        }
        for (key, flag, texts) in [
            ("suppress", "--suppress", &self.suppress),
            ("blacklist", "--blacklist", &self.blacklist),
            ("include", "--include", &self.include),
            ("exclude", "--exclude", &self.exclude),
        ] {
            for text in texts {
                layer.add(checks, key, text, &Source::Flag(flag));
            }
        }
        for text in &self.severity {
            find::pair(&mut layer, checks, text, &Source::Flag("--severity"));
        }
        layer
    }
}

/// The settings in force. Fixed once made; every value knows where it comes from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The configuration file in force.
    pub file: Option<PathBuf>,
    /// Severity at which a finding fails the run; None: never.
    pub fail_on: Sourced<Option<Severity>>,
    /// True if a file that was not read whole fails the run, whatever the reason.
    pub strict: Sourced<bool>,
    /// True to read structure only: no digests, no search of raw data for executables.
    pub skip_payload: Sourced<bool>,
    /// Largest file to open, bytes; None: any.
    pub max_file_size: Sourced<Option<u64>>,
    /// Bytes of all files together after which no further file is opened; None: any number.
    pub max_total_size: Sourced<Option<u64>>,
    /// Bytes that all compressed content of one file may unpack to; None: as large as models become, in proportion
    /// to the file.
    pub max_decoded_size: Sourced<Option<u64>>,
    /// Members of all archives inside one file; None: as many as the largest have.
    pub max_members: Sourced<Option<u64>>,
    /// Containers that may enclose what is read.
    pub max_depth: Sourced<u64>,
    /// Time for one file; None: any.
    pub timeout: Sourced<Option<Duration>>,
    /// Threads; None: one for each core.
    pub jobs: Sourced<Option<usize>>,
    /// Severities by rule code.
    pub severity: BTreeMap<String, Sourced<Severity>>,
    /// Accepted findings, in the order in which they are tried.
    pub suppress: Vec<SuppressEntry>,
    /// Rules that do not count for some files.
    pub ignore: Vec<IgnoreEntry>,
    /// The user's policy on Python globals.
    pub globals: Vec<GlobalRule>,
    /// Severities by TensorFlow operation.
    pub tensorflow: BTreeMap<String, Sourced<Severity>>,
    /// Severities by Keras layer class.
    pub keras: BTreeMap<String, Sourced<Severity>>,
    /// Only files that one of these matches are scanned; empty: all.
    pub include: Vec<Sourced<PathGlob>>,
    /// Files that one of these matches are not scanned.
    pub exclude: Vec<Sourced<PathGlob>>,
    /// Names that must not appear.
    pub blacklist: Vec<Sourced<String>>,
    /// Regular expressions on text that must not appear.
    pub patterns: Vec<Sourced<String>>,
    /// SHA-256 of files that must not appear, lower-case hex.
    pub blocked_hashes: Vec<Sourced<String>>,
    /// Things the user should know about the settings that stop nothing.
    pub notes: Vec<String>,
    watchlist: Watchlist,
}

impl Settings {
    /// Collects and checks the settings of one run.
    ///
    /// # Errors
    /// A file cannot be read, or anything in any layer is wrong; all mistakes are listed.
    pub fn load(flags: &Flags, env: &Environment, rules: &RuleSet) -> Result<Self, ConfigError> {
        let mut checks = Checks::new(rules);
        let from_flags = flags.layer(&mut checks);
        let (from_env, mut notes) = env.layer(&mut checks);
        let found = Self::find(flags, env, &mut checks)?;
        let mut from_file = Layer::default();
        if let Some(found) = &found {
            let name = found.path.strip_prefix(&env.directory).unwrap_or(&found.path).to_string_lossy();
            from_file = file::read(&mut checks, &name, &found.text, found.root);
            for path in &found.shadowed {
                notes.push(format!("{} was not read: {name} comes first", path.display()));
            }
        }
        let from_baseline = match &flags.baseline {
            None => Layer::default(),
            Some(path) => {
                let text = find::baseline(env, path)?;
                // Reports name the place, and no folder of this machine.
                let below = path.strip_prefix(&env.directory).ok().or_else(|| path.is_relative().then_some(path));
                let name = below.or_else(|| path.file_name().map(Path::new)).unwrap_or(path);
                file::read(&mut checks, &name.to_string_lossy(), &text, file::Root::Baseline)
            }
        };
        let mut settings = Self::merge([from_flags, from_env, from_file, from_baseline]);
        settings.watchlist = settings.compile_watchlist(&mut checks);
        if settings.skip_payload.value && !settings.blocked_hashes.is_empty() {
            let help = Some("leave out one of the two".to_owned());
            let what = "`blocked_hashes` needs the digests that `skip_payload` leaves out";
            checks.wrong(&settings.skip_payload.source, what, help);
        }
        if !checks.mistakes.is_empty() {
            return Err(ConfigError::Mistakes(checks.mistakes));
        }
        settings.file = found.map(|found| found.path);
        notes.extend(settings.lifted());
        settings.notes = notes;
        Ok(settings)
    }

    fn find(flags: &Flags, env: &Environment, checks: &mut Checks<'_>) -> Result<Option<find::Found>, ConfigError> {
        if let Some(path) = &flags.config {
            return find::named(env, path).map(Some);
        }
        let mut without = flags.no_config;
        if let Some(text) = env.variable("NO_CONFIG").filter(|_| !without) {
            let at = Source::Env("MODELAUDIT_NO_CONFIG".to_owned());
            without = checks.value(text, value::parse_bool(text), &at).is_some_and(|truth| truth.value);
        }
        match env.variable("CONFIG") {
            _ if without => Ok(None),
            Some(path) => find::named(env, path.as_ref()).map(Some),
            None => find::search(env),
        }
    }

    /// Merges layers, the strongest first.
    fn merge(layers: [Layer; 4]) -> Self {
        let mut all = Layer::default();
        for layer in layers {
            all.fail_on = all.fail_on.or(layer.fail_on);
            all.strict = all.strict.or(layer.strict);
            all.skip_payload = all.skip_payload.or(layer.skip_payload);
            all.max_file_size = all.max_file_size.or(layer.max_file_size);
            all.max_total_size = all.max_total_size.or(layer.max_total_size);
            all.max_decoded_size = all.max_decoded_size.or(layer.max_decoded_size);
            all.max_members = all.max_members.or(layer.max_members);
            all.max_depth = all.max_depth.or(layer.max_depth);
            all.timeout = all.timeout.or(layer.timeout);
            all.jobs = all.jobs.or(layer.jobs);
            for (code, level) in layer.severity {
                all.severity.entry(code).or_insert(level);
            }
            all.suppress.extend(layer.suppress);
            all.ignore.extend(layer.ignore);
            all.globals.extend(layer.globals);
            all.tensorflow.extend(layer.tensorflow);
            all.keras.extend(layer.keras);
            all.include.extend(layer.include);
            all.exclude.extend(layer.exclude);
            all.blacklist.extend(layer.blacklist);
            all.patterns.extend(layer.patterns);
            all.hashes.extend(layer.hashes);
        }
        Self {
            file: None,
            fail_on: all.fail_on.unwrap_or(Sourced::built_in(Some(Severity::Medium))),
            strict: all.strict.unwrap_or(Sourced::built_in(false)),
            skip_payload: all.skip_payload.unwrap_or(Sourced::built_in(false)),
            max_file_size: all.max_file_size.unwrap_or(Sourced::built_in(None)),
            max_total_size: all.max_total_size.unwrap_or(Sourced::built_in(None)),
            max_decoded_size: all.max_decoded_size.unwrap_or(Sourced::built_in(None)),
            max_members: all.max_members.unwrap_or(Sourced::built_in(None)),
            max_depth: all.max_depth.unwrap_or_else(|| Sourced::built_in(Limits::default().depth)),
            timeout: all.timeout.unwrap_or_else(|| Sourced::built_in(Limits::default().timeout)),
            jobs: all.jobs.unwrap_or(Sourced::built_in(None)),
            severity: all.severity,
            suppress: all.suppress,
            ignore: all.ignore,
            globals: all.globals,
            tensorflow: all.tensorflow,
            keras: all.keras,
            include: all.include,
            exclude: all.exclude,
            blacklist: all.blacklist,
            patterns: all.patterns,
            blocked_hashes: all.hashes,
            notes: Vec::new(),
            watchlist: Watchlist::default(),
        }
    }

    fn compile_watchlist(&self, checks: &mut Checks<'_>) -> Watchlist {
        fn texts(list: &[Sourced<String>]) -> Vec<&str> {
            list.iter().map(|entry| entry.value.as_str()).collect()
        }
        let compiled = Watchlist::new(&texts(&self.blacklist), &texts(&self.patterns), &texts(&self.blocked_hashes));
        compiled.unwrap_or_else(|why| {
            // Each entry was checked alone: only all together can be too much.
            let at = self.patterns.first().map_or(Source::Default, |entry| entry.source.clone());
            checks.wrong(&at, format!("the patterns together cannot be used: {why}"), None);
            Watchlist::default()
        })
    }

    /// Notes on shipped denials that the user's safe list lifts.
    fn lifted(&self) -> Vec<String> {
        let shipped = RuleSet::shipped().globals();
        let mut notes = Vec::new();
        for rule in self.globals.iter().filter(|rule| rule.level.is_none()) {
            let entry = shipped.judge(&rule.module, &rule.name, 4);
            if matches!(entry.class, Class::Denied | Class::Gadget) {
                let GlobalRule { module, name, source, .. } = rule;
                notes.push(format!("{source} makes {module}.{name} safe, which is dangerous: {}", entry.reason));
            }
        }
        notes
    }

    /// The user's lists of what must not appear.
    #[must_use]
    pub const fn watchlist(&self) -> &Watchlist {
        &self.watchlist
    }

    /// The limits for one file.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let usual = Limits::default();
        Limits {
            max_file_size: self.max_file_size.value,
            decoded_bytes: self.max_decoded_size.value.unwrap_or(usual.decoded_bytes),
            decoded_ratio: usual.decoded_ratio.filter(|_| self.max_decoded_size.value.is_none()),
            members: self.max_members.value.unwrap_or(usual.members),
            bytes_per_member: usual.bytes_per_member.filter(|_| self.max_members.value.is_none()),
            depth: self.max_depth.value,
            timeout: self.timeout.value,
            ..usual
        }
    }

    /// True if the rules in force are not just the shipped ones.
    #[must_use]
    pub fn changes_rules(&self) -> bool {
        !self.globals.is_empty() || !self.watchlist.is_empty()
    }

    /// The shipped rules with the user's entries in their table of globals, and the user's lists.
    ///
    /// # Errors
    /// None for the shipped rows.
    pub fn rule_set(&self) -> Result<RuleSet, RuleError> {
        let mut table = GlobalTable::shipped();
        self.extend(&mut table);
        RuleSet::with_globals(table)?.with_watchlist(self.watchlist.clone())
    }

    /// Enters the user's policy on globals into a table.
    pub fn extend(&self, table: &mut GlobalTable) {
        for rule in &self.globals {
            let (set, class) = match rule.level {
                Some(Severity::Critical) => ("user-critical", Class::Denied),
                Some(Severity::High) => ("user-high", Class::Denied),
                Some(Severity::Medium) => ("user-medium", Class::Denied),
                Some(_) => ("user-low", Class::Denied),
                None => ("user-safe", Class::Safe),
            };
            table.insert(&rule.module, &rule.name, GlobalEntry { set, class, reason: "listed in the configuration" });
        }
    }
}
