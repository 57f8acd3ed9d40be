//! Global heap collections: values of variable length.
//!
//! ```text
//! GCOL, 1, 3 bytes, size        then objects: u16 index, u16 references, 4 bytes, size, data up to 8 bytes more
//! element of variable length    u32 length, address of the collection, u32 index
//! ```

use std::collections::HashMap;

use super::{File, Range, Stop, expect};
use crate::bytes::{Cursor, ReadError, Stream};

/// The collection that was read last: the elements of a dataset lie in few, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Collection {
    address: Option<u64>,
    objects: HashMap<u32, Range>,
}

/// How a collection begins: signature and version.
const SIGNATURE: &[u8] = b"GCOL\x01";
/// Objects of one collection. Its index has 16 bits.
const MOST_OBJECTS: usize = 1 << 16;

impl File<'_> {
    /// Reads an element of variable length, whose parts have `unit` bytes; None if it is empty.
    pub(super) fn element(&self, cursor: &mut Cursor<'_>, unit: u64) -> Result<Option<Range>, Stop> {
        let length = u64::from(cursor.u32_le()?);
        let reference = self.heap_reference(cursor)?;
        let Some((collection, index)) = reference.filter(|_| length > 0) else { return Ok(None) };
        let object = self.heap_object(collection, index)?;
        let wanted = length.saturating_mul(unit);
        if wanted > object.len {
            return Err(cursor.malformed("an element is longer than what is stored of it").into());
        }
        Ok(Some(Range { len: wanted, ..object }))
    }

    /// Reads a reference to an object of a global heap; None if it is none.
    pub(super) fn heap_reference(&self, cursor: &mut Cursor<'_>) -> Result<Option<(u64, u32)>, Stop> {
        let address = self.address(cursor)?;
        let index = cursor.u32_le()?;
        Ok(address.filter(|address| *address != 0).map(|address| (address, index)))
    }

    /// Where an object of a collection lies.
    pub(super) fn heap_object(&self, address: u64, index: u32) -> Result<Range, Stop> {
        let at = self.absolute(address, 16)?;
        let mut heap = self.heap.borrow_mut();
        if heap.address != Some(address) {
            *heap = Collection { address: Some(address), objects: self.collection(address)? };
        }
        let wrong = Cursor::new(&[], at).malformed("an element is not in its heap");
        Ok(heap.objects.get(&index).copied().ok_or(wrong)?)
    }

    /// Visits the objects of every heap in the file, whoever refers to them: what stands in for references that cannot
    /// be read. What only looks like a heap is passed over.
    ///
    /// # Errors
    /// Those of `visit`, a limit, or I/O.
    pub fn heap_objects(&self, mut visit: impl FnMut(Range) -> Result<(), Stop>) -> Result<(), Stop> {
        let mut stream = Stream::new(self.source, self.base);
        loop {
            let window = stream.fill(SIGNATURE.len())?;
            let size = window.len() as u64;
            self.pay(size)?;
            let Some(place) = memchr::memmem::find(window, SIGNATURE) else {
                if size < SIGNATURE.len() as u64 {
                    return Ok(());
                }
                // A signature may begin in the last bytes.
                stream.skip(size.saturating_sub(SIGNATURE.len() as u64).saturating_add(1))?;
                continue;
            };
            stream.skip(place as u64)?;
            let mut objects = match self.collection(stream.offset().saturating_sub(self.base)) {
                Ok(objects) => objects.into_values().collect(),
                Err(Stop::Read(ReadError::Malformed(_))) => Vec::new(),
                Err(stop) => return Err(stop),
            };
            objects.sort_unstable_by_key(|range: &Range| range.at);
            objects.into_iter().try_for_each(&mut visit)?;
            stream.skip(SIGNATURE.len() as u64)?;
        }
    }

    fn collection(&self, address: u64) -> Result<HashMap<u32, Range>, Stop> {
        let head = self.read(address, 8_u64.saturating_add(u64::from(self.sizes.length)))?;
        let mut cursor = head.cursor();
        expect(&mut cursor, *b"GCOL", 1, "no heap where elements are said to be")?;
        cursor.skip(3)?;
        let size = self.length(&mut cursor)?;
        let end = self.absolute(address, size.min(self.source.len()))?.saturating_add(size);
        let mut objects = HashMap::new();
        let mut stream = Stream::new(self.source, cursor.offset());
        let head = 8_u64.saturating_add(u64::from(self.sizes.length));
        while stream.offset().saturating_add(head) <= end && objects.len() < MOST_OBJECTS {
            self.pay(head)?;
            let mut cursor = stream.field(head)?;
            let index = u32::from(cursor.u16_le()?);
            cursor.skip(6)?;
            let len = self.length(&mut cursor)?;
            // The rest is free.
            if index == 0 {
                break;
            }
            let past = cursor.malformed("an element reaches past the end of its heap");
            let at = stream.offset();
            if len > end.saturating_sub(at) {
                return Err(past.into());
            }
            objects.insert(index, Range { at, len });
            stream.seek(at.saturating_add(len.saturating_add(7) & !7));
        }
        Ok(objects)
    }
}
