//! Named lists of `data/sets/`: one item a line, each with its reason.
//!
//! ```text
//! #: kind = globals        what the items are: `globals` (module and name) or `words`
//! #: class = denied        globals only, see `Class`
//! os system                # runs a shell command
//! ```

use super::globals::Class;

/// The shipped lists: name, text.
const SETS: &[(&str, &str)] = &[("fixture-os", include_str!("../../data/sets/fixture-os.txt"))];

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
                if let Some(("class", value)) = header.split_once('=').map(|(k, v)| (k.trim(), v.trim())) {
                    class = Class::from_name(value);
                }
                continue;
            }
            let (item, reason) = line.split_once('#').unwrap_or((line, ""));
            if !item.trim().is_empty() {
                items.push((item.trim(), reason.trim()));
            }
        }
        Self { name, class, items }
    }

    /// All shipped lists.
    pub fn shipped() -> impl Iterator<Item = Self> {
        all().map(|(name, text)| Self::parse(name, text))
    }
}
