//! What stands on the stack of the walk: a small set of things that a value may be.

use std::rc::Rc;

use crate::decode::marshal::Id;

/// Strings and numbers that one value may be at the same time.
const MOST_CONSTANTS: usize = 8;
/// Other things that one value may be at the same time.
const MOST_OTHERS: usize = 24;

/// What a method of a container does with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Puts one behind the last item.
    Append,
    /// Puts them in.
    Put,
    /// Looks for them, or takes none.
    Read,
}

/// One thing that a value may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Atom {
    /// The mark for "no object" that calls are prepared with.
    Null,
    /// `None`.
    None,
    /// A string.
    Text(Rc<str>),
    /// Bytes.
    Bytes(Rc<[u8]>),
    /// An integer.
    Int(i64),
    /// Each of these constants in turn: the variable of a loop over a constant sequence.
    Each(Rc<[Self]>),
    /// A slice, where its bounds are constant.
    Slice([Option<i64>; 3]),
    /// A code object of the same arena.
    Code(Id),
    /// A function made of it.
    Function(Id),
    /// A container, by its number in [`super::lists::Lists`].
    List(u32),
    /// A method of such a container.
    ListMethod(u32, Use),
    /// A method of a string, or of bytes, by its name.
    TextMethod(Rc<(Self, Box<str>)>),
    /// `functools.partial`: a container of the function and its first arguments.
    Partial(u32),
    /// `operator.attrgetter`: a container of names.
    Getter(u32),
    /// `operator.methodcaller`: a container of the name and the arguments.
    Caller(u32),
    /// A name outside the code, by its number.
    Name(u32),
    /// What calling such a name returned.
    Made(u32),
    /// What a decoder returned.
    Decoded,
}

impl Atom {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// True for what constants are made of: strings and numbers.
    pub(super) const fn is_constant(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Bytes(_) | Self::Int(_) | Self::Each(_) | Self::Slice(_) | Self::None)
    }
}

/// A value: everything that it may be. Nothing in it: unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
        if join(&mut atoms, other.atoms()) { Self::of(atoms) } else { self.clone() }
    }

    /// All strings that it may be.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        fn each(atom: &Atom) -> &[Atom] {
            if let Atom::Each(all) = atom { all } else { std::slice::from_ref(atom) }
        }
        self.atoms().iter().flat_map(each).filter_map(|atom| match atom {
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

/// Adds what a value may be to `known`. True if that is news.
pub(super) fn join(known: &mut Vec<Atom>, atoms: &[Atom]) -> bool {
    let before = known.len();
    for atom in atoms {
        let constant = atom.is_constant();
        let most = if constant { MOST_CONSTANTS } else { MOST_OTHERS };
        if !known.contains(atom) && known.iter().filter(|other| other.is_constant() == constant).count() < most {
            known.push(atom.clone());
        }
    }
    known.len() > before
}
