//! What was decided and why: printed by `--explain`.

use std::fmt;
use std::io::{self, Write};

use crate::escape::{CAP, printable};
use crate::render::page::inert;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What it is about: `event`, `base`, `comment`.
    pub about: &'static str,
    /// What was decided.
    pub what: String,
    /// Why.
    pub why: String,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, why) = (printable(&self.what, CAP), printable(&self.why, 2 * CAP));
        // Names of branches and words of servers must not give commands to the host that reads the log.
        write!(f, "{}: {}", self.about, inert(&what))?;
        if why.is_empty() { Ok(()) } else { write!(f, " ({})", inert(&why)) }
    }
}

/// The decisions of a run, in the order in which they were made.
#[derive(Debug, Clone, Default)]
pub struct Decisions(Vec<Decision>);

impl Decisions {
    /// Notes a decision.
    pub fn note(&mut self, about: &'static str, what: impl Into<String>, why: impl Into<String>) {
        self.0.push(Decision { about, what: what.into(), why: why.into() });
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Decision] {
        &self.0
    }

    /// Prints one a line.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.0.iter().try_for_each(|decision| writeln!(out, "explain: {decision}"))
    }
}
