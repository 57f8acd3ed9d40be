//! Python constants and code objects, in an arena: references between them are indices, so shared and cyclic data
//! costs nothing and nothing recurses.

use std::borrow::Cow;

/// Objects of one stream. The largest generated modules hold some hundred thousand.
pub const MOST_OBJECTS: usize = 1 << 20;

/// The place of an object in its arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id(u32);

#[cfg(test)]
impl Id {
    pub(super) const fn test(index: u32) -> Self {
        Self(index)
    }
}

/// How the fields of a code object are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Python 2: strings are bytes.
    Python2,
    /// 3.0 to 3.7: keyword-only arguments are counted.
    Python30,
    /// 3.8 to 3.10: positional-only arguments too.
    Python38,
    /// 3.11 and later: one tuple of all local names, with their kinds.
    Python311,
}

impl Layout {
    /// All, oldest first.
    pub const ALL: [Self; 4] = [Self::Python2, Self::Python30, Self::Python38, Self::Python311];
}

/// An object.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// Anything that neither names nor code depend on: `...`, a float, a number too long for 64 bits.
    Other,
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A string, in UTF-8 or (true) Latin-1.
    Text(Box<[u8]>, bool),
    /// Bytes; the `str` of Python 2.
    Bytes(Box<[u8]>),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list, set, frozen set or slice.
    Items(Vec<Id>),
    /// Keys and values in turn.
    Dict(Vec<Id>),
    /// A code object.
    Code(Box<Code>),
}

/// A code object. Its parts are objects of the same arena: they may be shared by thousands of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Which fields it was read from.
    pub layout: Layout,
    /// `co_argcount`: parameters that are given by position.
    pub arguments: u32,
    /// `co_kwonlyargcount`: parameters that are given by name only.
    pub keyword_only: u32,
    /// `co_flags`.
    pub flags: u32,
    /// The instructions: bytes.
    pub bytecode: Id,
    /// `co_consts`: a tuple.
    pub constants: Id,
    /// `co_names`: a tuple of strings.
    pub names: Id,
    /// `co_varnames`; from 3.11 all local names, cells and free variables included.
    pub locals: Id,
    /// `co_freevars`; none from 3.11.
    pub free: Option<Id>,
    /// `co_cellvars`; none from 3.11.
    pub cells: Option<Id>,
    /// File that it was compiled from.
    pub filename: Id,
    /// `co_name`.
    pub name: Id,
    /// `co_qualname`, from 3.11.
    pub qualified: Option<Id>,
    /// First line in that file.
    pub first_line: u32,
}

/// The arena.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    list: Vec<Object>,
    codes: Vec<Id>,
}

impl Objects {
    /// Adds an object; None if there are too many.
    pub fn add(&mut self, object: Object) -> Option<Id> {
        if self.list.len() >= MOST_OBJECTS {
            return None;
        }
        let id = Id(u32::try_from(self.list.len()).ok()?);
        if matches!(object, Object::Code(_)) {
            self.codes.push(id);
        }
        self.list.push(object);
        Some(id)
    }

    /// Replaces what stands at `id`, which was added to keep the place.
    pub(super) fn fill(&mut self, id: Id, object: Object) {
        if matches!(object, Object::Code(_)) {
            self.codes.push(id);
        }
        if let Some(slot) = self.list.get_mut(id.0 as usize) {
            *slot = object;
        }
    }

    /// One object.
    #[must_use]
    pub fn get(&self, id: Id) -> Option<&Object> {
        self.list.get(id.0 as usize)
    }

    /// The code objects, inner ones before those that hold them.
    #[must_use]
    pub fn codes(&self) -> &[Id] {
        &self.codes
    }

    /// One code object.
    #[must_use]
    pub fn code(&self, id: Id) -> Option<&Code> {
        match self.get(id)? {
            Object::Code(code) => Some(code),
            _ => None,
        }
    }

    /// The items of a tuple; none for anything else.
    #[must_use]
    pub fn tuple(&self, id: Id) -> &[Id] {
        match self.get(id) {
            Some(Object::Tuple(items)) => items,
            _ => &[],
        }
    }

    /// The bytes of a string or bytes object.
    #[must_use]
    pub fn bytes(&self, id: Id) -> Option<&[u8]> {
        match self.get(id)? {
            Object::Text(bytes, _) | Object::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A string as text; the bytes of Python 2 too.
    #[must_use]
    pub fn text(&self, id: Id) -> Option<Cow<'_, str>> {
        match self.get(id)? {
            Object::Text(bytes, true) => Some(bytes.iter().map(|&byte| char::from(byte)).collect()),
            Object::Text(bytes, false) | Object::Bytes(bytes) => Some(String::from_utf8_lossy(bytes)),
            _ => None,
        }
    }

    /// Item `index` of a tuple of strings.
    #[must_use]
    pub fn name(&self, tuple: Id, index: usize) -> Option<Cow<'_, str>> {
        self.text(*self.tuple(tuple).get(index)?)
    }

    /// True if all parts of `code` have the types that the interpreter insists on.
    #[must_use]
    pub fn is_sound(&self, code: &Code) -> bool {
        let old = code.layout == Layout::Python2;
        let text = |id: Id| matches!(self.get(id), Some(Object::Text(..))) || old && self.bytes(id).is_some();
        let bytes = |id: Id| matches!(self.get(id), Some(Object::Bytes(_))) || old && self.bytes(id).is_some();
        let tuple = |id: Id| matches!(self.get(id), Some(Object::Tuple(_)));
        let tuples = [Some(code.constants), Some(code.names), Some(code.locals), code.free, code.cells];
        bytes(code.bytecode)
            && tuples.into_iter().flatten().all(tuple)
            && [Some(code.filename), Some(code.name), code.qualified].into_iter().flatten().all(text)
    }
}
