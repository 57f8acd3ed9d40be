//! Python bytecode, walked without running it: which names outside itself a code object reaches, and which it calls.
//!
//! A list of names proves nothing (`system` may be an attribute of anything), so the instructions are followed with a
//! stack of symbols: imports, attributes, locals, closures and globals lead to dotted references. Flow is joined, not
//! traced: a variable is everything that is ever stored in it.
//!
//! Nothing in a code object says which version it is for. [`survey`] takes every version whose opcodes make sense of
//! all of it, and states the names of each; if none does, the names are paired as they stand and the survey says so.
//!
//! `table` has the opcodes, `instruction` reads them, `walk` follows them, `references` is what comes out.

mod call;
mod instruction;
mod references;
mod table;
mod value;
mod walk;

pub use references::Reference;
pub use table::Version;

use crate::decode::marshal::{Id, Objects};
use instruction::Instruction;
use references::References;

/// Instructions that are worth walking for one input, over all versions and passes.
pub const MOST_STEPS: u64 = 8 << 20;

/// What code objects reach.
#[derive(Debug, Default)]
pub struct Survey {
    /// Names outside the code, each once.
    pub references: Vec<Reference>,
    /// The versions whose opcodes the code is made of; none if it is of no known version.
    pub versions: Vec<Version>,
    /// True if a limit kept some of the code from being looked at.
    pub exhausted: bool,
}

/// Finds out what `codes` reach. `versions` are those that may run them; `steps` are paid for what is walked.
#[must_use]
pub fn survey(objects: &Objects, codes: &[Id], versions: &[Version], steps: &mut u64) -> Survey {
    let mut survey = Survey::default();
    for &version in versions {
        let mut programs: Vec<(Id, Vec<Instruction>)> = Vec::new();
        let known = codes.iter().all(|&id| match instruction::program(objects, id, version, steps) {
            Some(program) => {
                programs.push((id, program));
                true
            }
            None => false,
        });
        if !known {
            continue;
        }
        survey.versions.push(version);
        let found = walk::Walk::new(objects, version, steps).run(&programs);
        merge(&mut survey.references, found);
    }
    survey.exhausted = *steps == 0;
    if survey.versions.is_empty() || survey.exhausted {
        merge(&mut survey.references, references::pairs(objects, codes));
    }
    survey
}

fn merge(known: &mut Vec<Reference>, found: References) {
    for reference in found.finish() {
        match known.iter_mut().find(|other| other.module == reference.module && other.path == reference.path) {
            Some(other) if !other.called && reference.called => *other = reference,
            Some(_) => {}
            None => known.push(reference),
        }
    }
}
