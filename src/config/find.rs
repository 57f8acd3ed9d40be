//! Where settings come from: the surroundings of the process, and the file that is in force.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use super::error::{ConfigError, Source};
use super::file::{self, Root};
use super::layer::{Checks, Layer};

/// Largest configuration file, bytes.
const MAX_FILE: u64 = 1 << 20;
/// Largest baseline, bytes: some ten thousand entries.
const MAX_BASELINE: u64 = 16 << 20;
/// Names looked for in a project's folders, in this order.
const PROJECT_NAMES: &[&str] = &[".modelaudit.toml", "pyproject.toml", "modelaudit-security.toml"];
/// Names looked for in the user's and the machine's folder, in this order.
const PERSONAL_NAMES: &[&str] = &["config.toml", "security.toml"];
/// What the name of every environment variable of ours begins with.
const PREFIX: &str = "MODELAUDIT_";

/// What the process finds around itself. Read once; everything else gets it handed.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Variables whose name begins with `MODELAUDIT_`.
    pub variables: BTreeMap<String, String>,
    /// The working directory, where the search for a file begins. Never a target: what is scanned may have been
    /// downloaded, and must not bring its own policy.
    pub directory: PathBuf,
    /// The user's and the machine's folder of configuration.
    pub folders: Vec<PathBuf>,
    /// The project's files at another version than the one on the disk.
    pub project: Option<Project>,
}

/// Files of a project at one version: what is on the disk below its root does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    /// The root, canonical.
    pub root: PathBuf,
    /// Contents by path from the root, forward slashes.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Project {
    /// The path from the root, if it is below it.
    fn inside(&self, path: &Path) -> Option<String> {
        // As it is spelt first: a link that the version on the disk has in it must not lead out.
        if let Some(found) = below(&self.root, path).filter(|found| !found.split('/').any(|part| part == "..")) {
            return Some(found);
        }
        // What does not exist on the disk may exist in that version.
        let folder = path.parent().and_then(|folder| std::fs::canonicalize(folder).ok());
        let whole = folder.map_or_else(|| path.to_owned(), |folder| folder.join(path.file_name().unwrap_or_default()));
        below(&self.root, &whole)
    }
}

/// `path` from `root`, forward slashes.
fn below(root: &Path, path: &Path) -> Option<String> {
    let parts = path.strip_prefix(root).ok()?.components();
    Some(parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/"))
}

impl Environment {
    /// Reads the process's surroundings.
    ///
    /// # Errors
    /// There is no working directory, or a variable of ours is not Unicode.
    pub fn read() -> std::io::Result<Self> {
        let mut variables = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let value = value.into_string();
            let value = value.map_err(|_| std::io::Error::other(format!("the variable {name} is not Unicode")))?;
            variables.insert(name.to_owned(), value);
        }
        let mut folders = Vec::new();
        if let Ok(strategy) = etcetera::choose_base_strategy() {
            folders.push(strategy.config_dir().join("modelaudit"));
        }
        folders.push(PathBuf::from("/etc/modelaudit"));
        Ok(Self { variables, directory: std::env::current_dir()?, folders, project: None })
    }

    /// Every file of the project at `root` that could be read: where a configuration is looked for, and what the user
    /// names. Paths from the root, forward slashes.
    #[must_use]
    pub fn candidates(&self, root: &Path, named: &[&Path]) -> Vec<String> {
        let folders = project_folders(&self.directory);
        let searched = folders.iter().flat_map(|folder| PROJECT_NAMES.iter().map(move |name| folder.join(name)));
        let variable = self.variable("CONFIG").map(PathBuf::from);
        let named = named.iter().map(|path| (*path).to_owned()).chain(variable).map(|path| self.directory.join(path));
        let project = Project { root: root.to_owned(), files: BTreeMap::new() };
        searched.chain(named).filter_map(|path| project.inside(&path)).collect()
    }

    /// Whether a file is there, on the disk or in the version that counts.
    fn has(&self, path: &Path) -> Result<bool, ConfigError> {
        if let Some(project) = &self.project
            && let Some(name) = project.inside(path)
        {
            return Ok(project.files.contains_key(&name));
        }
        if !path.try_exists().unwrap_or(true) {
            return Ok(false);
        }
        // Whoever controls the folder must not hang the run with a pipe.
        if !path.is_file() {
            return Err(ConfigError::Unreadable { path: path.to_owned(), what: "not a regular file".to_owned() });
        }
        Ok(true)
    }

    /// The text of a file, from the disk or the version that counts.
    fn text(&self, path: &Path, limit: u64) -> Result<String, ConfigError> {
        let fail = |what: &str| ConfigError::Unreadable { path: path.to_owned(), what: what.to_owned() };
        let whole = self.directory.join(path);
        let Some((project, name)) = self.project.as_ref().and_then(|one| Some((one, one.inside(&whole)?))) else {
            return read(path, limit);
        };
        let bytes = project.files.get(&name).ok_or_else(|| fail("it is not in the version that counts"))?;
        decoded(bytes.clone(), limit).map_err(|what| fail(&what))
    }

    /// One of our variables without its prefix; an empty one counts as not set.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(&format!("{PREFIX}{name}")).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The layer that the variables make up, and notes on those that mean nothing.
    pub(super) fn layer(&self, checks: &mut Checks<'_>) -> (Layer, Vec<String>) {
        let mut layer = Layer::default();
        let mut notes = Vec::new();
        for (variable, text) in self.variables.iter().filter(|(_, text)| !text.is_empty()) {
            let at = Source::Env(variable.clone());
            let key = variable.strip_prefix(PREFIX).unwrap_or(variable).to_ascii_lowercase();
            match key.as_str() {
                "config" | "no_config" => {}
                // What an earlier job of the pipeline found.
                key if key.starts_with("ci_") => {}
                "severity" => {
                    for part in pieces(text) {
                        pair(&mut layer, checks, part, &at);
                    }
                }
                "suppress" | "include" | "exclude" | "blacklist" | "blocked_hashes" => {
                    for part in pieces(text) {
                        layer.add(checks, &key, part, &at);
                    }
                }
                key if layer.set(checks, key, text, &at) => {}
                // Others may use our prefix, for the version to install say: that is no reason to stop.
                _ => notes.push(format!("the environment variable {variable} is not a setting and was not used")),
            }
        }
        (layer, notes)
    }
}

/// Adds `CODE=LEVEL`.
pub(super) fn pair(layer: &mut Layer, checks: &mut Checks<'_>, text: &str, at: &Source) {
    match text.split_once('=') {
        Some((code, level)) => layer.severity(checks, code.trim(), level.trim(), at),
        None => checks.wrong(at, format!("`{text}` is not CODE=LEVEL"), Some("for example S301=high".to_owned())),
    }
}

/// The parts of a list in one variable: separated by commas, except inside the braces of a glob.
fn pieces(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let parts = text.split(move |c: char| {
        match c {
            '{' => depth = depth.saturating_add(1),
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// A configuration file that is in force.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub path: PathBuf,
    pub text: String,
    pub root: Root,
    /// Files of the same folder that are passed over because of this one.
    pub shadowed: Vec<PathBuf>,
}

/// Reads the file that the user named.
pub(super) fn named(env: &Environment, path: &Path) -> Result<Found, ConfigError> {
    let root = if path.file_name().is_some_and(|name| name == "pyproject.toml") { Root::Tool } else { Root::File };
    Ok(Found { path: path.to_owned(), text: env.text(path, MAX_FILE)?, root, shadowed: Vec::new() })
}

/// The text of a baseline.
pub(super) fn baseline(env: &Environment, path: &Path) -> Result<String, ConfigError> {
    env.text(path, MAX_BASELINE).map_err(|error| match error {
        ConfigError::Unreadable { path, what } => ConfigError::NoBaseline { path, what },
        other => other,
    })
}

/// Looks for a file: from the working directory up to the root of its repository, then in the user's folder, then in
/// the machine's. The first one is in force, alone.
pub(super) fn search(env: &Environment) -> Result<Option<Found>, ConfigError> {
    let project = project_folders(&env.directory);
    let places = project.iter().map(|folder| (folder.as_path(), PROJECT_NAMES));
    let places = places.chain(env.folders.iter().map(|folder| (folder.as_path(), PERSONAL_NAMES)));
    for (folder, names) in places {
        let mut found: Option<Found> = None;
        for name in names {
            let path = folder.join(name);
            if !env.has(&path)? {
                continue;
            }
            let root = if *name == "pyproject.toml" { Root::Tool } else { Root::File };
            let text = env.text(&path, MAX_FILE)?;
            if root == Root::Tool && !file::has_tool_table(&text) {
                continue;
            }
            match &mut found {
                Some(first) => first.shadowed.push(path),
                None => found = Some(Found { path, text, root, shadowed: Vec::new() }),
            }
        }
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The working directory and its parents up to the root of the repository; outside of one, the working directory.
fn project_folders(directory: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in directory.ancestors() {
        folders.push(folder.to_owned());
        if folder.join(".git").exists() {
            return folders;
        }
    }
    folders.truncate(1);
    folders
}

fn read(path: &Path, limit: u64) -> Result<String, ConfigError> {
    let fail = |what: String| ConfigError::Unreadable { path: path.to_owned(), what };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| fail(error.to_string()))?;
    #[expect(clippy::disallowed_methods, reason = "bounded by `take`")]
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| fail(error.to_string()))?;
    decoded(bytes, limit).map_err(fail)
}

fn decoded(bytes: Vec<u8>, limit: u64) -> Result<String, String> {
    if bytes.len() as u64 > limit {
        return Err(format!("larger than {limit} bytes, so it is no configuration"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_inside_braces_do_not_separate() {
        assert_eq!(pieces("a, *.{pt,pkl},,b "), ["a", "*.{pt,pkl}", "b"]);
    }
}
