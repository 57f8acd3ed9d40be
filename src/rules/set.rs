//! Named lists of `data/sets/`: one item a line, each with its reason.
//!
//! ```text
//! #: kind = globals        what the items are: `globals` (module and name) or `words`
//! #: class = denied        globals only, see `Class`
//! os system                # runs a shell command
//! ```
//!
//! Items of kind `globals`, always in the public Python 3 spelling of the module:
//!
//! | item | stands for |
//! | --- | --- |
//! | `os system`, `pathlib Path.open` | that name |
//! | `builtins str.*` | the public methods of a type |
//! | `os *` | every name of a module and of its submodules |
//! | `mylib <class>` | the names of a package and its submodules that are spelled like classes |
//! | `* __globals__` | that attribute of anything |

use super::globals::Class;

/// The shipped lists: name, text.
const SETS: &[(&str, &str)] = &[
    ("argument-loader-globals", include_str!("../../data/sets/argument-loader-globals.txt")),
    ("ast-globals", include_str!("../../data/sets/ast-globals.txt")),
    ("attribute-write-globals", include_str!("../../data/sets/attribute-write-globals.txt")),
    ("base64-globals", include_str!("../../data/sets/base64-globals.txt")),
    ("code-globals", include_str!("../../data/sets/code-globals.txt")),
    ("code-helper-globals", include_str!("../../data/sets/code-helper-globals.txt")),
    ("compile-globals", include_str!("../../data/sets/compile-globals.txt")),
    ("composition-globals", include_str!("../../data/sets/composition-globals.txt")),
    ("ctypes-globals", include_str!("../../data/sets/ctypes-globals.txt")),
    ("deserialiser-globals", include_str!("../../data/sets/deserialiser-globals.txt")),
    ("dns-globals", include_str!("../../data/sets/dns-globals.txt")),
    ("eval-globals", include_str!("../../data/sets/eval-globals.txt")),
    ("framework-globals", include_str!("../../data/sets/framework-globals.txt")),
    ("ftp-globals", include_str!("../../data/sets/ftp-globals.txt")),
    ("function-globals", include_str!("../../data/sets/function-globals.txt")),
    ("hex-globals", include_str!("../../data/sets/hex-globals.txt")),
    ("http-globals", include_str!("../../data/sets/http-globals.txt")),
    ("httpclient-globals", include_str!("../../data/sets/httpclient-globals.txt")),
    ("import-globals", include_str!("../../data/sets/import-globals.txt")),
    ("importlib-globals", include_str!("../../data/sets/importlib-globals.txt")),
    ("introspection-globals", include_str!("../../data/sets/introspection-globals.txt")),
    ("launcher-globals", include_str!("../../data/sets/launcher-globals.txt")),
    ("mail-globals", include_str!("../../data/sets/mail-globals.txt")),
    ("open-globals", include_str!("../../data/sets/open-globals.txt")),
    ("os-globals", include_str!("../../data/sets/os-globals.txt")),
    ("pathlib-globals", include_str!("../../data/sets/pathlib-globals.txt")),
    ("process-globals", include_str!("../../data/sets/process-globals.txt")),
    ("pty-globals", include_str!("../../data/sets/pty-globals.txt")),
    ("reflection-globals", include_str!("../../data/sets/reflection-globals.txt")),
    ("rot13-globals", include_str!("../../data/sets/rot13-globals.txt")),
    ("runpy-globals", include_str!("../../data/sets/runpy-globals.txt")),
    ("safe-globals", include_str!("../../data/sets/safe-globals.txt")),
    ("shutil-globals", include_str!("../../data/sets/shutil-globals.txt")),
    ("socket-globals", include_str!("../../data/sets/socket-globals.txt")),
    ("stored-globals", include_str!("../../data/sets/stored-globals.txt")),
    ("subprocess-globals", include_str!("../../data/sets/subprocess-globals.txt")),
    ("sys-globals", include_str!("../../data/sets/sys-globals.txt")),
    ("telnet-globals", include_str!("../../data/sets/telnet-globals.txt")),
    ("tempfile-globals", include_str!("../../data/sets/tempfile-globals.txt")),
    ("types-globals", include_str!("../../data/sets/types-globals.txt")),
    ("webbrowser-globals", include_str!("../../data/sets/webbrowser-globals.txt")),
    ("zlib-globals", include_str!("../../data/sets/zlib-globals.txt")),
];

/// Names and texts of all shipped lists.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    SETS.iter().copied()
}

/// Texts of all shipped lists.
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    SETS.iter().map(|(_, text)| *text)
}

/// A parsed list.
#[derive(Debug, Clone)]
pub struct Set {
    /// File stem.
    pub name: &'static str,
    /// What its members are to the judge; None for plain words.
    pub class: Option<Class>,
    /// Item and reason.
    pub items: Vec<(&'static str, &'static str)>,
}

impl Set {
    /// Parses one list.
    #[must_use]
    pub fn parse(name: &'static str, text: &'static str) -> Self {
        let mut class = None;
        let mut items = Vec::new();
        for line in text.lines() {
            if let Some(header) = line.strip_prefix("#:") {
                if let Some(("class", value)) = header.split_once('=').map(|(k, v)| (k.trim_ascii(), v.trim_ascii())) {
                    class = Class::from_name(value);
                }
                continue;
            }
            let (item, reason) = line.split_once('#').unwrap_or((line, ""));
            if !item.trim_ascii().is_empty() {
                items.push((item.trim_ascii(), reason.trim_ascii()));
            }
        }
        Self { name, class, items }
    }

    /// All shipped lists.
    pub fn shipped() -> impl Iterator<Item = Self> {
        all().map(|(name, text)| Self::parse(name, text))
    }
}
