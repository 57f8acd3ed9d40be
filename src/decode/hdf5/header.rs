//! Object headers: the list of messages that says what an object is.
//!
//! ```text
//! version 1   1, 0, u16 messages, u32 references, u32 size, 4 bytes        then messages of 8-byte units
//! version 2   OHDR, 2, flags, [times 16], [limits 4], size (1, 2, 4 or 8)  then messages, checksum
//! message     type, size, flags, data; one type continues the list elsewhere
//! ```

use std::collections::HashSet;

use super::{Block, File, MOST_BLOCK, Stop, expect, uint};
use crate::bytes::{Cursor, Malformed};

/// Message types that are read.
pub(super) mod kind {
    pub(in super::super) const DATASPACE: u16 = 0x01;
    pub(in super::super) const LINK_INFO: u16 = 0x02;
    pub(in super::super) const DATATYPE: u16 = 0x03;
    pub(in super::super) const LINK: u16 = 0x06;
    pub(in super::super) const EXTERNAL_FILES: u16 = 0x07;
    pub(in super::super) const LAYOUT: u16 = 0x08;
    pub(in super::super) const FILTERS: u16 = 0x0b;
    pub(in super::super) const ATTRIBUTE: u16 = 0x0c;
    pub(in super::super) const CONTINUATION: u16 = 0x10;
    pub(in super::super) const SYMBOL_TABLE: u16 = 0x11;
    pub(in super::super) const ATTRIBUTE_INFO: u16 = 0x15;
}

/// Messages of one object: more than that many attributes are stored densely, and links sooner.
const MOST_MESSAGES: usize = 1 << 18;
/// The data of the message stands somewhere else.
const SHARED: u8 = 0x02;

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) kind: u16,
    flags: u8,
    pub(super) block: Block,
}

/// A group, a dataset or a named type.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its address.
    pub address: u64,
    pub(super) messages: Vec<Message>,
}

impl Object {
    /// The first message of that type.
    pub(super) fn first(&self, kind: u16) -> Option<&Message> {
        self.all(kind).next()
    }

    /// All messages of that type.
    pub(super) fn all(&self, kind: u16) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |message| message.kind == kind)
    }
}

/// Where messages stand and how they are written.
struct Chunk {
    block: Block,
    /// From version 2 on.
    new: bool,
    /// Messages have a number for the order of their creation.
    ordered: bool,
}

impl File<'_> {
    /// Reads the header at `address`. What is broken behind its beginning is a fault, and what stands before it counts.
    ///
    /// # Errors
    /// No header begins there, a limit, or I/O.
    pub fn object(&self, address: u64) -> Result<Object, Stop> {
        let first = self.first_chunk(address)?;
        let (new, ordered) = (first.new, first.ordered);
        let mut object = Object { address, messages: Vec::new() };
        let (mut seen, mut chunks) = (HashSet::new(), vec![first]);
        let mut total = 0_u64;
        while let Some(chunk) = chunks.pop() {
            total = total.saturating_add(chunk.block.bytes.len() as u64);
            if total > MOST_BLOCK || object.messages.len() > MOST_MESSAGES {
                self.survive(Err(Stop::Unsupported("an object header of more than 64 MiB")))?;
                break;
            }
            let from = object.messages.len();
            let outcome = messages(&chunk, &mut object.messages);
            self.survive(outcome.map_err(Stop::from))?;
            for message in object.messages.get(from..).unwrap_or_default() {
                if message.kind != kind::CONTINUATION || !seen.insert(message.block.bytes.clone()) {
                    continue;
                }
                let outcome = self.continuation(message, new).map(|block| chunks.push(Chunk { block, new, ordered }));
                self.survive(outcome)?;
            }
        }
        Ok(object)
    }

    fn first_chunk(&self, address: u64) -> Result<Chunk, Stop> {
        let head = self.read_up_to(address, 64)?;
        let mut cursor = head.cursor();
        if cursor.rest().starts_with(b"OHDR") {
            expect(&mut cursor, *b"OHDR", 2, "a version of an object header that does not exist")?;
            let flags = cursor.u8()?;
            cursor.skip(if flags & 0x20 != 0 { 16 } else { 0 })?;
            cursor.skip(if flags & 0x10 != 0 { 4 } else { 0 })?;
            let size = uint(&mut cursor, 1 << (flags & 3))?;
            let start = cursor.offset().saturating_sub(self.base);
            let block = self.read(start, size)?;
            self.verify(address, start.saturating_sub(address).saturating_add(size))?;
            return Ok(Chunk { block, new: true, ordered: flags & 4 != 0 });
        }
        let wrong = cursor.malformed("no object header where an object is said to be");
        if cursor.u16_le()? & 0xff != 1 {
            return Err(wrong.into());
        }
        cursor.skip(6)?;
        let size = u64::from(cursor.u32_le()?);
        cursor.skip(4)?;
        let block = self.read(cursor.offset().saturating_sub(self.base), size)?;
        Ok(Chunk { block, new: false, ordered: false })
    }

    fn continuation(&self, message: &Message, new: bool) -> Result<Block, Stop> {
        let mut cursor = message.block.cursor();
        let wrong = cursor.malformed("a header goes on nowhere");
        let address = self.address(&mut cursor)?.ok_or(wrong)?;
        let length = self.length(&mut cursor)?;
        let mut block = self.read(address, length)?;
        if new {
            self.verify(address, length.saturating_sub(4))?;
            let mut cursor = block.cursor();
            if cursor.array::<4>()? != *b"OCHK" {
                return Err(wrong.into());
            }
            // The checksum at the end.
            let inside = cursor.rest().len().saturating_sub(4);
            block = Block { at: cursor.offset(), bytes: cursor.rest().get(..inside).unwrap_or_default().to_vec() };
        }
        Ok(block)
    }

    /// The data of a message, from where it stands.
    pub(super) fn resolve(&self, message: &Message) -> Result<Block, Stop> {
        if message.flags & SHARED == 0 {
            return Ok(message.block.clone());
        }
        self.shared(&mut message.block.cursor(), message.kind)
    }

    /// The data of a message of type `kind` that stands in the header of another object.
    pub(super) fn shared(&self, cursor: &mut Cursor<'_>, kind: u16) -> Result<Block, Stop> {
        let (version, place) = (cursor.u8()?, cursor.u8()?);
        if version == 1 {
            cursor.skip(6)?;
        }
        if version == 3 && place == 1 {
            return Err(Stop::Unsupported("messages shared by the whole file"));
        }
        let wrong = cursor.malformed("a shared message is nowhere");
        let object = self.object(self.address(cursor)?.ok_or(wrong)?)?;
        let found = object.first(kind).filter(|message| message.flags & SHARED == 0);
        Ok(found.ok_or(wrong)?.block.clone())
    }
}

/// Reads the messages of one chunk.
fn messages(chunk: &Chunk, into: &mut Vec<Message>) -> Result<(), Malformed> {
    let mut cursor = chunk.block.cursor();
    let head = match (chunk.new, chunk.ordered) {
        (false, _) => 8,
        (true, false) => 4,
        (true, true) => 6,
    };
    // Less than a head is a gap.
    while cursor.rest().len() >= head && into.len() <= MOST_MESSAGES {
        let (kind, size, flags) = if chunk.new {
            let fields = (u16::from(cursor.u8()?), cursor.u16_le()?, cursor.u8()?);
            cursor.skip(if chunk.ordered { 2 } else { 0 })?;
            fields
        } else {
            let fields = (cursor.u16_le()?, cursor.u16_le()?, cursor.u8()?);
            cursor.skip(3)?;
            fields
        };
        let at = cursor.offset();
        let bytes = cursor.bytes(u64::from(size))?;
        // Empty space is a message too.
        if kind != 0 {
            into.push(Message { kind, flags, block: Block { at, bytes: bytes.to_vec() } });
        }
    }
    Ok(())
}
