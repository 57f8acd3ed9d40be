//! What the table of known names ([`crate::names`]) is worth for each use of a name.

use super::globals::{Class, GlobalEntry};
pub(super) use crate::names::covers;
use crate::names::{Effect, Known, known};

/// The lists that the names of the table with an effect stand for.
pub(super) const JUDGED: &str = "judged-globals";
const RUNS: &str = "restored-code-globals";
const LOADS: &str = "restored-files-globals";
/// The harmless names of the table.
pub(super) const KNOWN: &str = "known-globals";
/// All of them.
pub(super) const SETS: [&str; 4] = [KNOWN, JUDGED, RUNS, LOADS];

/// The answer for a name that a known package may have by now.
pub(super) const LIKELY: GlobalEntry =
    GlobalEntry { set: KNOWN, class: Class::Framework, reason: "spelled like a class of a known package" };

/// Packages whose constructors evaluate the text that they are called with, all through one function for text, and
/// those of their modules whose classes take elements that are made already, or numbers as text.
const EVALUATE_TEXT: [&str; 1] = ["sympy"];
const TAKE_ELEMENTS: [&str; 2] = ["sympy.external.", "sympy.polys.matrices."];

/// How a file uses a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// As a function: of a class, `__init__` runs.
    Called,
    /// As a class of instances: `__new__` runs, and what restores their state.
    Instantiated,
    /// As an argument of a function that is called and may call it.
    Passed,
    /// As a value.
    Referenced,
}

impl Use {
    /// The use that a `global` fact states in words.
    #[must_use]
    pub fn of(usage: &str) -> Self {
        match usage {
            "called" => Self::Called,
            "instantiated" => Self::Instantiated,
            "passed" => Self::Passed,
            _ => Self::Referenced,
        }
    }
}

/// The end of a sentence about a name that does this when it is called, and when it is restored.
const fn words(effect: Effect) -> (&'static str, &'static str) {
    match effect {
        Effect::Opens => ("calling it opens files", "restoring it opens files"),
        Effect::Connects => ("calling it connects to other machines", "restoring it connects to other machines"),
        Effect::Imports => ("calling it imports modules by name", "restoring it imports modules by name"),
        Effect::Deserialises => {
            ("calling it unpickles or loads other files", "restoring it unpickles or loads what it holds")
        }
        Effect::Calls => ("calling it calls what the file gives it", "restoring it calls what the file gives it"),
        Effect::Starts => ("calling it starts programs", "restoring it starts programs"),
        Effect::Runs => ("calling it runs code", "restoring it runs code"),
    }
}

/// What this use of a known name is worth, if the table says so.
fn worth(known: Known, usage: Use) -> Option<GlobalEntry> {
    let harmless = |reason| GlobalEntry { set: KNOWN, class: Class::Framework, reason };
    if known.stored {
        return matches!(usage, Use::Referenced | Use::Passed)
            .then(|| harmless("function that objects of a known package hold"));
    }
    let called = matches!(usage, Use::Called | Use::Passed);
    let effect = match usage {
        Use::Called | Use::Passed => known.called,
        Use::Instantiated => known.restored,
        Use::Referenced => None,
    };
    let Some(effect) = effect else { return Some(harmless("class of a known package")) };
    let (calling, restoring) = words(effect);
    Some(if called {
        GlobalEntry { set: JUDGED, class: Class::Denied, reason: calling }
    } else {
        // What hands the machine over does so whatever the object is for.
        let set = if effect >= Effect::Starts { RUNS } else { LOADS };
        GlobalEntry { set, class: Class::Gadget, reason: restoring }
    })
}

/// What the table of known names says. In a module that a list denies as a whole, only instances of its classes pass.
pub(super) fn judge(module: &str, name: &str, denied: bool, usage: Use) -> Option<GlobalEntry> {
    let known = known(module, name)?;
    if denied && !(known.class && usage != Use::Called) {
        return None;
    }
    let package = module.split('.').next().unwrap_or_default();
    let evaluates = known.class
        && usage == Use::Called
        && EVALUATE_TEXT.contains(&package)
        && !TAKE_ELEMENTS.iter().any(|inside| module.starts_with(inside));
    worth(if evaluates { known.calling(Effect::Runs) } else { known }, usage)
}
