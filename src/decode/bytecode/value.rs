//! What stands on the stack of the walk: a small set of things that a value may be.

use std::rc::Rc;

use crate::decode::marshal::Id;

/// Things that one value may be at the same time.
const MOST: usize = 8;

/// One thing that a value may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Atom {
    /// The mark for "no object" that calls are prepared with.
    Null,
    /// A string constant.
    Text(Rc<str>),
    /// A tuple constant.
    Tuple(Id),
    /// A name outside the code, by its number.
    Name(u32),
    /// What calling such a name returned.
    Made(u32),
    /// What a decoder returned.
    Decoded,
}

/// A value: everything that it may be. Nothing in it: unknown.
#[derive(Debug, Clone, Default)]
pub(super) struct Value(Option<Rc<[Atom]>>);

impl Value {
    pub(super) const UNKNOWN: Self = Self(None);

    pub(super) fn one(atom: Atom) -> Self {
        Self(Some(Rc::new([atom])))
    }

    pub(super) fn of(atoms: Vec<Atom>) -> Self {
        Self((!atoms.is_empty()).then(|| atoms.into()))
    }

    pub(super) fn atoms(&self) -> &[Atom] {
        self.0.as_deref().unwrap_or_default()
    }

    /// What either of two values may be.
    pub(super) fn or(&self, other: &Self) -> Self {
        let mut atoms = self.atoms().to_vec();
        if join(&mut atoms, other) { Self::of(atoms) } else { self.clone() }
    }

    /// All strings that it may be.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.atoms().iter().filter_map(|atom| match atom {
            Atom::Text(text) => Some(&**text),
            _ => None,
        })
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.texts().next()
    }

    pub(super) fn is_null(&self) -> bool {
        self.atoms() == [Atom::Null]
    }

    pub(super) fn is_decoded(&self) -> bool {
        self.atoms().contains(&Atom::Decoded)
    }
}

/// Adds what `value` may be to `known`. True if that is news.
pub(super) fn join(known: &mut Vec<Atom>, value: &Value) -> bool {
    let before = known.len();
    for atom in value.atoms() {
        if known.len() < MOST && !known.contains(atom) {
            known.push(atom.clone());
        }
    }
    known.len() > before
}
