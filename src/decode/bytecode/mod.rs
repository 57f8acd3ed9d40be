//! Python bytecode, walked without running it: which names outside itself a code object reaches, and which it calls.
//!
//! A list of names proves nothing (`system` may be an attribute of anything), so the instructions are followed with a
//! stack of symbols: imports, attributes, locals, closures and globals lead to dotted references. Flow is joined, not
//! traced: a variable is everything that is ever stored in it.
//!
//! Nothing in a code object says which version it is for. [`survey`] takes every version whose opcodes make sense of
//! all of it, and states the names of each; if none does, the names are paired as they stand and the survey says so.
//!
//! `table` has the opcodes, `instruction` reads them, `walk` follows them; `names`, `attribute`, `build` and `call` are
//! what instructions do, `fold` evaluates constants, `kind` knows functions, `references` is what comes out.

mod attribute;
mod build;
mod call;
mod call_digest;
mod fold;
mod instruction;
mod kind;
mod lists;
mod names;
mod references;
mod table;
mod value;
mod walk;

pub use references::Reference;
pub use table::Version;

use std::collections::HashMap;

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
    let mut index = HashMap::new();
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
        merge(&mut survey.references, &mut index, found);
    }
    survey.exhausted = *steps == 0;
    if survey.versions.is_empty() || survey.exhausted {
        merge(&mut survey.references, &mut index, references::pairs(objects, codes));
    }
    survey
}

/// Adds what one version makes of the code. A call outweighs a mere use.
fn merge(known: &mut Vec<Reference>, index: &mut HashMap<(String, String), usize>, found: References) {
    for reference in found.finish() {
        let at = *index.entry((reference.module.clone(), reference.path.clone())).or_insert(known.len());
        match known.get_mut(at) {
            Some(other) if !other.called && reference.called => *other = reference,
            Some(_) => {}
            None => known.push(reference),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::marshal::{Code, Layout, Object};

    /// What code of 3.8 with these names and texts reaches.
    fn reached(bytecode: &[u8], names: &[&str], texts: &[&str]) -> Vec<String> {
        reached_in(Version::V38, bytecode, names, texts)
    }

    fn reached_in(version: Version, bytecode: &[u8], names: &[&str], texts: &[&str]) -> Vec<String> {
        let mut objects = Objects::default();
        let mut add = |object| objects.add(object).unwrap();
        let text = |text: &str| Object::Text(text.as_bytes().into(), false);
        let names: Vec<Id> = names.iter().map(|name| add(text(name))).collect();
        let mut constants: Vec<Id> = texts.iter().map(|constant| add(text(constant))).collect();
        constants.push(add(Object::None));
        let local = add(text("x"));
        let [names, constants, locals, empty] =
            [names, constants, vec![local], Vec::new()].map(|items| add(Object::Tuple(items)));
        let bytecode = add(Object::Bytes(bytecode.into()));
        let code = add(Object::Code(Box::new(Code {
            layout: Layout::Python38,
            arguments: 0,
            keyword_only: 0,
            flags: 0,
            bytecode,
            constants,
            names,
            locals,
            free: Some(empty),
            cells: Some(empty),
            filename: local,
            name: local,
            qualified: None,
            first_line: 1,
        })));
        let mut steps = 1000;
        let found = survey(&objects, &[code], &[version], &mut steps);
        let call = |found: Reference| {
            format!("{}.{}{} {}", found.module, found.path, if found.called { "()" } else { "" }, found.call)
        };
        found.references.into_iter().map(call).collect()
    }

    #[test]
    fn a_function_is_followed_through_a_local_and_a_conditional_argument() {
        // x = os.system; x("a" if None else "b")
        let bytecode =
            [116, 0, 106, 1, 125, 0, 124, 0, 100, 2, 114, 16, 100, 0, 110, 2, 100, 1, 131, 1, 1, 0, 100, 2, 83, 0];
        assert_eq!(reached(&bytecode, &["os", "system"], &["a", "b"]), ["os.system() os.system('a')"]);
    }

    #[test]
    fn what_is_stored_late_is_known_early() {
        // loop: x.system("a"); x = os
        let bytecode = [124, 0, 106, 1, 100, 0, 131, 1, 1, 0, 116, 0, 125, 0, 113, 0];
        assert_eq!(reached(&bytecode, &["os", "system"], &["a"]), ["os.system() os.system('a')"]);
    }

    #[test]
    fn attributes_of_anything_else_are_no_module() {
        // x.system("a")
        let bytecode = [124, 0, 106, 1, 100, 0, 131, 1, 83, 0];
        assert_eq!(reached(&bytecode, &["os", "system"], &["a"]), [""; 0]);
    }

    #[test]
    fn a_rotation_of_nothing_leaves_the_stack_as_it_is() {
        // os; ROT_N 0; .system("a")
        let bytecode = [116, 0, 99, 0, 106, 1, 100, 0, 131, 1, 83, 0];
        assert_eq!(reached_in(Version::V310, &bytecode, &["os", "system"], &["a"]), ["os.system() os.system('a')"]);
    }

    #[test]
    fn what_cannot_be_walked_is_paired() {
        let found = reached(&[255, 0, 83, 0], &["os", "system"], &[]);
        assert!(found.contains(&"os.system ".to_owned()), "{found:?}");
    }
}
