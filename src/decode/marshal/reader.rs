//! The encoding: one byte says what follows, its highest bit that the object is referred to later.

use super::objects::{Code, Id, Layout, Object, Objects};
use crate::bytes::{Cursor, Malformed};

/// Containers within containers. The interpreter itself gives up at this depth.
const DEEPEST: usize = 2000;
/// The bit that asks for a place in the table of references.
const REFERENCED: u8 = 0x80;
/// Code objects have this many parts before the number of their first line.
const PARTS_BEFORE_LINE: usize = 8;

/// What a marshalled object and everything in it came to.
#[derive(Debug, Clone)]
pub struct Marshal {
    /// All objects.
    pub objects: Objects,
    /// The outermost one.
    pub root: Id,
    /// Offset after it. A loader does not look at what stands behind.
    pub end: u64,
}

/// Reads one object with code objects of `layout` from the front of `bytes`.
///
/// # Errors
/// The data is not marshalled, or not with that layout.
pub fn read(bytes: &[u8], layout: Layout) -> Result<Marshal, Malformed> {
    let mut reader = Reader {
        cursor: Cursor::new(bytes, 0),
        layout,
        objects: Objects::default(),
        references: Vec::new(),
        interned: Vec::new(),
        none: None,
    };
    let root = reader.run()?;
    Ok(Marshal { end: reader.cursor.offset(), objects: reader.objects, root })
}

/// Reads one object under every layout that it can have. Without code objects there is one reading.
///
/// # Errors
/// It cannot be read under any: the error of the layout that came furthest.
pub fn read_any(bytes: &[u8]) -> Result<Vec<Marshal>, Malformed> {
    let mut found: Vec<Marshal> = Vec::new();
    let mut furthest = Malformed { at: 0, what: "not marshalled data" };
    for layout in Layout::ALL.into_iter().rev() {
        match read(bytes, layout) {
            Ok(marshal) if marshal.objects.codes().is_empty() => return Ok(vec![marshal]),
            Ok(marshal) => found.push(marshal),
            Err(error) if error.at >= furthest.at => furthest = error,
            Err(_) => {}
        }
    }
    if found.is_empty() { Err(furthest) } else { Ok(found) }
}

/// A container whose items are being read.
struct Open {
    id: Id,
    kind: Kind,
    items: Vec<Id>,
    /// Items still to come; a dict ends with a mark.
    left: u64,
    /// Numbers of a code object.
    arguments: u32,
    keyword_only: u32,
    flags: u32,
    line: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tuple,
    Items,
    Dict,
    Code,
}

/// What one type byte comes to.
enum Step {
    Done(Id),
    Open(Open),
    /// The end of a dict.
    End,
}

struct Reader<'b> {
    cursor: Cursor<'b>,
    layout: Layout,
    objects: Objects,
    references: Vec<Id>,
    /// Interned strings of Python 2, which have a table of their own.
    interned: Vec<Id>,
    none: Option<Id>,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<Id, Malformed> {
        let mut stack: Vec<Open> = Vec::new();
        loop {
            let mut done = match self.step()? {
                Step::Done(id) => id,
                Step::Open(open) if open.left == 0 => self.close(open)?,
                Step::Open(open) => {
                    if stack.len() >= DEEPEST {
                        return Err(self.cursor.malformed("containers nested deeper than an interpreter reads"));
                    }
                    stack.push(open);
                    continue;
                }
                Step::End => match stack.pop() {
                    Some(open) if open.kind == Kind::Dict && open.items.len().is_multiple_of(2) => self.close(open)?,
                    _ => return Err(self.cursor.malformed("an end mark where an object must stand")),
                },
            };
            loop {
                let Some(open) = stack.last_mut() else { return Ok(done) };
                open.items.push(done);
                if open.kind == Kind::Code && open.items.len() == PARTS_BEFORE_LINE {
                    open.line = self.cursor.u32_le()?;
                }
                if open.kind == Kind::Dict {
                    break;
                }
                open.left = open.left.saturating_sub(1);
                if open.left > 0 {
                    break;
                }
                let Some(open) = stack.pop() else { break };
                done = self.close(open)?;
            }
        }
    }

    fn add(&mut self, object: Object) -> Result<Id, Malformed> {
        self.objects.add(object).ok_or(self.cursor.malformed("more objects than are kept"))
    }

    /// Reads a type byte and what belongs to it, up to the items of a container.
    fn step(&mut self) -> Result<Step, Malformed> {
        let byte = self.cursor.u8()?;
        let (kind, referenced) = (byte & !REFERENCED, byte & REFERENCED != 0);
        let object = match kind {
            b'0' => return Ok(Step::End),
            b'N' => {
                let id = self.none.map_or_else(|| self.add(Object::None), Ok)?;
                self.none = Some(id);
                return Ok(Step::Done(id));
            }
            b'F' | b'T' => return self.add(Object::Bool(kind == b'T')).map(Step::Done),
            b'S' | b'.' => return self.add(Object::Other).map(Step::Done),
            b'r' | b'R' => {
                let index = self.cursor.u32_le()?;
                let table = if kind == b'r' { &self.references } else { &self.interned };
                let known = usize::try_from(index).ok().and_then(|index| table.get(index)).copied();
                return known.map(Step::Done).ok_or(self.cursor.malformed("a reference to nothing"));
            }
            b'(' | b'[' | b'<' | b'>' | b')' | b'{' | b':' | b'c' | b'C' => {
                return self.open(kind, referenced).map(Step::Open);
            }
            b'i' => Object::Int(i64::from(self.cursor.i32_le()?)),
            b'I' => Object::Int(self.cursor.i64_le()?),
            b'l' => self.long()?,
            b'f' | b'x' => {
                for _ in 0..if kind == b'f' { 1 } else { 2 } {
                    let length = self.cursor.u8()?;
                    self.cursor.skip(u64::from(length))?;
                }
                Object::Other
            }
            b'g' => self.cursor.skip(8).map(|()| Object::Other)?,
            b'y' => self.cursor.skip(16).map(|()| Object::Other)?,
            b's' | b'u' | b't' | b'a' | b'A' | b'z' | b'Z' => self.string(kind)?,
            _ => return Err(self.cursor.malformed("an unknown type of marshalled object")),
        };
        let id = self.add(object)?;
        if referenced {
            self.references.push(id);
        }
        if kind == b't' {
            self.interned.push(id);
        }
        Ok(Step::Done(id))
    }

    fn string(&mut self, kind: u8) -> Result<Object, Malformed> {
        let length = match kind {
            b'z' | b'Z' => u32::from(self.cursor.u8()?),
            _ => self.cursor.u32_le()?,
        };
        let bytes: Box<[u8]> = self.cursor.bytes(u64::from(length))?.into();
        Ok(match kind {
            b's' => Object::Bytes(bytes),
            b'u' | b't' => Object::Text(bytes, false),
            // Called ASCII, but read one byte a character.
            _ => Object::Text(bytes, true),
        })
    }

    /// A number in digits of 15 bits, with its sign in their count.
    fn long(&mut self) -> Result<Object, Malformed> {
        let count = self.cursor.i32_le()?;
        let digits = self.cursor.bytes(u64::from(count.unsigned_abs()).saturating_mul(2))?;
        let (digits, _) = digits.as_chunks::<2>();
        if digits.len() > 4 {
            return Ok(Object::Other);
        }
        let value = digits
            .iter()
            .rev()
            .fold(0_i64, |value, &digit| value << 15 | i64::from(u16::from_le_bytes(digit) & 0x7fff));
        Ok(Object::Int(if count < 0 { value.saturating_neg() } else { value }))
    }

    fn open(&mut self, kind: u8, referenced: bool) -> Result<Open, Malformed> {
        // A container takes its number before its items take theirs.
        let id = self.add(Object::Other)?;
        if referenced {
            self.references.push(id);
        }
        let mut open = Open {
            id,
            kind: Kind::Items,
            items: Vec::new(),
            left: 0,
            arguments: 0,
            keyword_only: 0,
            flags: 0,
            line: 0,
        };
        match kind {
            b'c' | b'C' => {
                open.arguments = self.cursor.u32_le()?;
                // Positional-only ones are among them; then the local variables, up to 3.10, and the depth of the stack.
                let (before, after): (u64, u64) = match self.layout {
                    Layout::Python2 | Layout::Python30 => (0, 2),
                    Layout::Python38 => (1, 2),
                    Layout::Python311 => (1, 1),
                };
                self.cursor.skip(before.saturating_mul(4))?;
                if self.layout != Layout::Python2 {
                    open.keyword_only = self.cursor.u32_le()?;
                }
                self.cursor.skip(after.saturating_mul(4))?;
                open.flags = self.cursor.u32_le()?;
                open.kind = Kind::Code;
                open.left = if self.layout == Layout::Python311 { 10 } else { 9 };
            }
            b'{' => {
                open.kind = Kind::Dict;
                open.left = u64::MAX;
            }
            b')' => {
                open.kind = Kind::Tuple;
                open.left = u64::from(self.cursor.u8()?);
            }
            b':' => open.left = 3,
            _ => {
                open.kind = if kind == b'(' { Kind::Tuple } else { Kind::Items };
                open.left = u64::from(self.cursor.u32_le()?);
            }
        }
        // Each item takes at least one byte.
        if open.kind != Kind::Dict && open.left > self.cursor.rest().len() as u64 {
            return Err(self.cursor.malformed("a container that is longer than the data"));
        }
        Ok(open)
    }

    fn close(&mut self, open: Open) -> Result<Id, Malformed> {
        let object = match open.kind {
            Kind::Tuple => Object::Tuple(open.items),
            Kind::Items => Object::Items(open.items),
            Kind::Dict => Object::Dict(open.items),
            Kind::Code => {
                let code = self.code(&open).filter(|code| self.objects.is_sound(code));
                Object::Code(Box::new(code.ok_or(self.cursor.malformed("a code object with parts of a wrong type"))?))
            }
        };
        self.objects.fill(open.id, object);
        Ok(open.id)
    }

    fn code(&self, open: &Open) -> Option<Code> {
        let new = self.layout == Layout::Python311;
        let [bytecode, constants, names, locals, fifth, sixth, seventh, eighth, ..] = *open.items.as_slice() else {
            return None;
        };
        let (filename, name) = if new { (sixth, seventh) } else { (seventh, eighth) };
        Some(Code {
            layout: self.layout,
            arguments: open.arguments,
            keyword_only: open.keyword_only,
            flags: open.flags,
            bytecode,
            constants,
            names,
            locals,
            free: (!new).then_some(fifth),
            cells: (!new).then_some(sixth),
            filename,
            name,
            qualified: new.then_some(eighth),
            first_line: open.line,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A code object without names: counts and flags, then its parts.
    fn code(counts: usize, layout: Layout) -> Vec<u8> {
        let mut out = vec![b'c'];
        out.extend([0; 4].repeat(counts));
        let text: &[u8] = if layout == Layout::Python2 { b"s\x01\0\0\0f" } else { b"z\x01f" };
        out.extend(b"s\x02\0\0\0S\0)\0)\0)\0");
        match layout {
            Layout::Python311 => {
                out.extend(b"s\0\0\0\0");
                for _ in 0..3 {
                    out.extend(text);
                }
                out.extend(b"\x07\0\0\0s\0\0\0\0s\0\0\0\0");
            }
            _ => {
                out.extend(b")\0)\0");
                out.extend(text);
                out.extend(text);
                out.extend(b"\x07\0\0\0s\0\0\0\0");
            }
        }
        out
    }

    #[test]
    fn every_layout_is_told_from_the_others() {
        for (counts, layout) in
            [(4, Layout::Python2), (5, Layout::Python30), (6, Layout::Python38), (5, Layout::Python311)]
        {
            let bytes = code(counts, layout);
            let found = read_any(&bytes).unwrap();
            let [one] = found.as_slice() else { panic!("{layout:?} reads {} ways", found.len()) };
            let read = one.objects.code(one.root).unwrap();
            assert_eq!((read.layout, read.first_line, one.end), (layout, 7, bytes.len() as u64));
            assert_eq!(one.objects.text(read.name).as_deref(), Some("f"));
        }
    }

    #[test]
    fn references_count_containers_before_their_items() {
        // A list of a string and the list itself.
        let found = read(b"\xdb\x02\0\0\0\xfa\x01xr\0\0\0\0", Layout::Python311).unwrap();
        assert_eq!(found.objects.get(found.root), Some(&Object::Items(vec![Id::test(1), found.root])));
        assert!(read(b"r\0\0\0\0", Layout::Python311).is_err());
    }

    #[test]
    fn numbers_of_all_sizes() {
        let int = |bytes: &[u8]| {
            let found = read(bytes, Layout::Python2).unwrap();
            found.objects.get(found.root).cloned()
        };
        assert_eq!(int(b"l\xfe\xff\xff\xff\x01\0\x01\0"), Some(Object::Int(-32769)));
        assert_eq!(int(b"i\xff\xff\xff\xff"), Some(Object::Int(-1)));
        assert_eq!(int(b"l\x05\0\0\0\0\0\0\0\0\0\0\0\x01\0"), Some(Object::Other));
    }

    #[test]
    fn lengths_are_held_against_the_data() {
        for bytes in
            [&b"(\xff\xff\xff\x7f"[..], b"s\xff\xff\xff\xff", b"l\0\0\0\x80", b"l\xff\xff\xff\x7f", b"{N0", b"0"]
        {
            assert!(read(bytes, Layout::Python311).is_err(), "{bytes:?}");
        }
        let deep = [b")\x01".repeat(DEEPEST + 1), b"N".to_vec()].concat();
        assert!(read(&deep, Layout::Python311).is_err());
        assert!(read(&deep[4..], Layout::Python311).is_ok());
    }
}
