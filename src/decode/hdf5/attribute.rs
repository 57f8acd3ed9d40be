//! Attributes: small named values of an object.

use super::datatype::{Class, Datatype, count};
use super::header::kind;
use super::{Block, File, MOST_NAME, Object, Range, Stop, text};

/// An attribute.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// Its name, capped.
    pub name: String,
    /// The type of its elements.
    pub datatype: Datatype,
    /// The lengths of its dimensions: none for a single value.
    pub shape: Vec<u64>,
    value: Block,
}

/// Elements of an attribute that are looked at one by one. Keras lists the layers of a model this way.
const MOST_ELEMENTS: u64 = 1 << 16;

impl File<'_> {
    /// Visits the attributes of an object.
    ///
    /// # Errors
    /// Those of `visit`, a limit, or I/O. What is broken is kept as a fault.
    pub fn attributes(
        &self,
        object: &Object,
        mut visit: impl FnMut(Attribute) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        for message in object.all(kind::ATTRIBUTE) {
            let block = self.resolve(message);
            let outcome = block.and_then(|block| self.attribute(&block)).and_then(&mut visit);
            self.survive(outcome)?;
        }
        for message in object.all(kind::ATTRIBUTE_INFO) {
            let outcome = self.dense_attributes(&message.block, &mut visit);
            self.survive(outcome)?;
        }
        Ok(())
    }

    fn dense_attributes(
        &self,
        message: &Block,
        visit: &mut impl FnMut(Attribute) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut cursor = message.cursor();
        cursor.skip(1)?;
        let flags = cursor.u8()?;
        cursor.skip(if flags & 1 != 0 { 2 } else { 0 })?;
        let (Some(heap), Some(index)) = (self.address(&mut cursor)?, self.address(&mut cursor)?) else {
            return Ok(());
        };
        let heap = self.heap(heap)?;
        self.tree2(index, |record| {
            let mut id = *record;
            record.skip(u64::from(heap.id))?;
            if record.u8()? & 2 != 0 {
                return Err(Stop::Unsupported("attributes shared by the whole file"));
            }
            visit(self.attribute(&self.heap_bytes(&heap, &mut id)?)?)
        })
    }

    /// Reads an attribute message.
    fn attribute(&self, block: &Block) -> Result<Attribute, Stop> {
        let mut cursor = block.cursor();
        let wrong = cursor.malformed("a version of an attribute that does not exist");
        let (version, flags) = (cursor.u8()?, cursor.u8()?);
        let [name, datatype, dataspace] = [cursor.u16_le()?, cursor.u16_le()?, cursor.u16_le()?].map(u64::from);
        let padded = |len: u64| if version == 1 { len.saturating_add(7) & !7 } else { len };
        match version {
            1 | 2 => {}
            3 => cursor.skip(1)?,
            _ => return Err(wrong.into()),
        }
        let name = text(cursor.bytes(padded(name))?, MOST_NAME);
        let mut part = |len| -> Result<Block, Stop> {
            let at = cursor.offset();
            Ok(Block { at, bytes: cursor.bytes(padded(len))?.to_vec() })
        };
        let (mut datatype, mut dataspace) = (part(datatype)?, part(dataspace)?);
        if version > 1 && flags & 1 != 0 {
            datatype = self.shared(&mut datatype.cursor(), kind::DATATYPE)?;
        }
        if version > 1 && flags & 2 != 0 {
            dataspace = self.shared(&mut dataspace.cursor(), kind::DATASPACE)?;
        }
        let datatype = Datatype::read(&mut datatype.cursor())?;
        let shape = self.dataspace(&mut dataspace.cursor())?;
        let elements = shape.as_deref().map_or(Some(0), count);
        let len = elements.and_then(|elements| elements.checked_mul(datatype.size));
        let value = Block { at: cursor.offset(), bytes: cursor.bytes(len.unwrap_or(u64::MAX))?.to_vec() };
        Ok(Attribute { name, datatype, shape: shape.unwrap_or_default(), value })
    }

    /// The ranges of the file that hold the values of an attribute of text or bytes, trailing NULs left out; none for
    /// another type.
    ///
    /// # Errors
    /// A limit, or I/O. What is broken is kept as a fault.
    pub fn values(&self, attribute: &Attribute) -> Result<Vec<Range>, Stop> {
        let Datatype { class, size, .. } = attribute.datatype;
        let Block { at, bytes } = &attribute.value;
        if !attribute.datatype.is_bytes() || bytes.is_empty() || size == 0 {
            return Ok(Vec::new());
        }
        // An array of small integers is one value, and so is a single one of text or bytes.
        let unit = if class == Class::Integer { bytes.len() } else { usize::try_from(size).unwrap_or(usize::MAX) };
        let mut ranges = Vec::new();
        for (n, element) in (0_u64..MOST_ELEMENTS).zip(bytes.chunks(unit)) {
            let at = at.saturating_add(n.saturating_mul(unit as u64));
            if matches!(class, Class::VariableText | Class::Sequence) {
                let mut cursor = crate::bytes::Cursor::new(element, at);
                let outcome = self.element(&mut cursor, 1).map(|range| ranges.extend(range));
                self.survive(outcome)?;
            } else {
                let len = element.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1)) as u64;
                ranges.push(Range { at, len });
            }
        }
        Ok(ranges)
    }

    /// The text of an attribute with a single value, at most `most` bytes of it; None if it is no text.
    ///
    /// # Errors
    /// As [`File::values`].
    pub fn text_of(&self, attribute: &Attribute, most: usize) -> Result<Option<String>, Stop> {
        if !matches!(attribute.datatype.class, Class::Text | Class::VariableText) {
            return Ok(None);
        }
        match self.values(attribute)?.as_slice() {
            [range] => {
                let want = usize::try_from(range.len).unwrap_or(usize::MAX).min(most);
                Ok(Some(text(&self.source.read_range(range.at, want)?, most)))
            }
            _ => Ok(None),
        }
    }
}
