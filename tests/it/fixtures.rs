//! Access to `fixtures/` for the tests that run over all of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use modelaudit::bytes::{FileSource, Input, Limits};
use modelaudit::scan::Options;
use serde::Deserialize;

/// One line of a family's manifest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fixture {
    pub(crate) file: String,
    /// Codes that must be reported.
    pub(crate) expect: Vec<String>,
    /// Codes of its twin that must not be reported.
    #[serde(default)]
    pub(crate) misses: Vec<String>,
    /// Names that facts about this pickle must state, `os.system`.
    #[serde(default)]
    pub(crate) reaches: Vec<String>,
    /// Effects that facts about the opcodes of this pickle must state.
    #[serde(default)]
    pub(crate) effects: Vec<String>,
    /// What it is.
    #[serde(default)]
    pub(crate) note: String,
}

/// A folder of fixtures.
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) fixtures: Vec<Fixture>,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Bytes from their hexadecimal digits.
pub(crate) fn from_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// All families, by name.
pub(crate) fn families() -> Vec<Family> {
    #[derive(Deserialize)]
    struct Manifest {
        fixture: Vec<Fixture>,
    }
    let mut families: Vec<Family> = std::fs::read_dir(root().join("fixtures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join("manifest.toml").exists())
        .map(|folder| {
            let text = std::fs::read_to_string(folder.join("manifest.toml")).unwrap();
            let Manifest { fixture } =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            Family { name: folder.file_name().unwrap().to_str().unwrap().into(), folder, fixtures: fixture }
        })
        .collect();
    families.sort_by(|a, b| a.name.cmp(&b.name));
    families
}

/// The fixture as an input named by its file name.
pub(crate) fn open(family: &Family, fixture: &Fixture) -> Input {
    let path = family.folder.join(&fixture.file);
    let source = FileSource::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Input::new(fixture.file.clone(), Arc::new(source))
}

/// Everything on.
pub(crate) fn options() -> Options {
    Options { limits: Limits::default(), payload: true }
}
