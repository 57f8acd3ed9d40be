//! Datasets: type, shape, filters, and where the elements are.

use super::datatype::{Datatype, count};
use super::header::kind;
use super::{Block, File, Object, Range, Stop, group};
use crate::bytes::{Cursor, Malformed};

/// What an object says of its elements.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The type of an element.
    pub datatype: Datatype,
    /// The lengths of the dimensions: none for a single value.
    pub shape: Vec<u64>,
    /// Number of elements; None if no number holds it.
    pub elements: Option<u64>,
    /// Where they are.
    pub storage: Storage,
    /// Paths of files that hold them instead of this one, with the absolute offset of what says so.
    pub external: Vec<(String, u64)>,
    pub(super) filters: Vec<Filter>,
}

/// Where elements are.
#[derive(Debug, Clone)]
pub enum Storage {
    /// In one range of the file: in the header itself, or in a block. Empty if nothing was written.
    Whole(Range),
    /// In chunks.
    Chunked(Chunking),
    /// In other datasets.
    Virtual,
    /// In a way that is not known.
    Unknown,
}

/// How chunks are found.
#[derive(Debug, Clone)]
pub struct Chunking {
    /// Elements of a chunk in each dimension.
    pub(super) lengths: Vec<u64>,
    pub(super) index: Index,
    pub(super) address: Option<u64>,
}

/// The kinds of chunk index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    Tree1,
    /// One chunk; its stored size and the filters that were left out, if it is filtered.
    Single(Option<(u64, u32)>),
    /// All chunks, one behind the other.
    Implicit,
    Fixed,
    Extensible,
    Tree2,
}

/// One step of what was done to a chunk before it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) id: u16,
    /// Its parameters.
    pub(super) values: Vec<u32>,
}

/// Files that one dataset may be spread over. None is ordinary.
const MOST_EXTERNAL: u16 = 64;
/// Dimensions that the library allows, and one for the bytes of an element.
const MOST_DIMENSIONS: usize = 33;

impl File<'_> {
    /// Reads what an object says of its elements; None if it is no dataset.
    ///
    /// # Errors
    /// The description is broken, a limit, or I/O.
    pub fn dataset(&self, object: &Object) -> Result<Option<Dataset>, Stop> {
        let Some(layout) = object.first(kind::LAYOUT) else { return Ok(None) };
        let wrong = layout.block.cursor().malformed("a dataset without a type or a shape");
        let block = |kind| object.first(kind).ok_or(wrong).map_err(Stop::from).and_then(|found| self.resolve(found));
        let datatype = Datatype::read(&mut block(kind::DATATYPE)?.cursor())?;
        let shape = self.dataspace(&mut block(kind::DATASPACE)?.cursor())?;
        let elements = shape.as_deref().map_or(Some(0), count);
        let filters = match object.first(kind::FILTERS) {
            Some(message) => filters(&mut self.resolve(message)?.cursor())?,
            None => Vec::new(),
        };
        let external = match object.first(kind::EXTERNAL_FILES) {
            Some(message) => self.external_files(&message.block)?,
            None => Vec::new(),
        };
        let storage = self.storage(&self.resolve(layout)?)?;
        Ok(Some(Dataset { datatype, shape: shape.unwrap_or_default(), elements, storage, external, filters }))
    }

    fn storage(&self, block: &Block) -> Result<Storage, Stop> {
        let mut cursor = block.cursor();
        match cursor.u8()? {
            1 | 2 => self.old_storage(&mut cursor),
            3 => self.storage_3(&mut cursor),
            4 | 5 => self.storage_4(&mut cursor),
            _ => Ok(Storage::Unknown),
        }
    }

    fn old_storage(&self, cursor: &mut Cursor<'_>) -> Result<Storage, Stop> {
        let (dimensions, class) = (cursor.u8()?, cursor.u8()?);
        cursor.skip(5)?;
        let address = if class == 0 { None } else { self.address(cursor)? };
        let lengths = lengths(cursor, dimensions, 4)?;
        match class {
            0 => {
                let len = u64::from(cursor.u32_le()?);
                Ok(Storage::Whole(Range { at: cursor.offset(), len }))
            }
            1 => self.contiguous(address, count(&lengths).unwrap_or(u64::MAX)),
            2 => Ok(chunked(lengths, Index::Tree1, address)),
            _ => Ok(Storage::Unknown),
        }
    }

    fn storage_3(&self, cursor: &mut Cursor<'_>) -> Result<Storage, Stop> {
        match cursor.u8()? {
            0 => compact(cursor),
            1 => {
                let address = self.address(cursor)?;
                let len = self.length(cursor)?;
                self.contiguous(address, len)
            }
            2 => {
                let dimensions = cursor.u8()?;
                let address = self.address(cursor)?;
                let lengths = lengths(cursor, dimensions, 4)?;
                Ok(chunked(lengths, Index::Tree1, address))
            }
            _ => Ok(Storage::Unknown),
        }
    }

    fn storage_4(&self, cursor: &mut Cursor<'_>) -> Result<Storage, Stop> {
        match cursor.u8()? {
            0 => compact(cursor),
            1 => {
                let address = self.address(cursor)?;
                let len = self.length(cursor)?;
                self.contiguous(address, len)
            }
            2 => self.chunked_4(cursor),
            3 => Ok(Storage::Virtual),
            _ => Ok(Storage::Unknown),
        }
    }

    fn chunked_4(&self, cursor: &mut Cursor<'_>) -> Result<Storage, Stop> {
        let (flags, dimensions, width) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
        let lengths = lengths(cursor, dimensions, width)?;
        let index = match cursor.u8()? {
            1 if flags & 2 != 0 => Index::Single(Some((self.length(cursor)?, cursor.u32_le()?))),
            1 => Index::Single(None),
            2 => Index::Implicit,
            3 => cursor.skip(1).map(|()| Index::Fixed)?,
            4 => cursor.skip(5).map(|()| Index::Extensible)?,
            5 => cursor.skip(6).map(|()| Index::Tree2)?,
            _ => return Ok(Storage::Unknown),
        };
        let address = self.address(cursor)?;
        Ok(chunked(lengths, index, address))
    }

    fn contiguous(&self, address: Option<u64>, len: u64) -> Result<Storage, Stop> {
        let at = address.map_or(0, |address| self.base.saturating_add(address));
        Ok(Storage::Whole(Range { at, len: if address.is_some() { len } else { 0 } }))
    }

    /// The paths of the files that hold the elements.
    fn external_files(&self, block: &Block) -> Result<Vec<(String, u64)>, Stop> {
        let mut cursor = block.cursor();
        cursor.skip(6)?;
        let used = cursor.u16_le()?.min(MOST_EXTERNAL);
        let wrong = cursor.malformed("the paths of external files are nowhere");
        let names = self.names(self.address(&mut cursor)?.ok_or(wrong)?)?;
        let mut paths = Vec::new();
        for _ in 0..used {
            let at = cursor.offset();
            paths.push((group::name_at(&names, self.length(&mut cursor)?), at));
            self.length(&mut cursor)?;
            self.length(&mut cursor)?;
        }
        Ok(paths)
    }
}

fn compact(cursor: &mut Cursor<'_>) -> Result<Storage, Stop> {
    let len = u64::from(cursor.u16_le()?);
    Ok(Storage::Whole(Range { at: cursor.offset(), len }))
}

/// The lengths of a chunk, in numbers of `width` bytes.
fn lengths(cursor: &mut Cursor<'_>, dimensions: u8, width: u8) -> Result<Vec<u64>, Malformed> {
    (0..dimensions).map(|_| super::uint(cursor, width)).collect()
}

/// The last length is that of an element in bytes.
fn chunked(mut lengths: Vec<u64>, index: Index, address: Option<u64>) -> Storage {
    let usable = lengths.len() <= MOST_DIMENSIONS && lengths.pop().is_some();
    if usable { Storage::Chunked(Chunking { lengths, index, address }) } else { Storage::Unknown }
}

fn filters(cursor: &mut Cursor<'_>) -> Result<Vec<Filter>, Malformed> {
    let (version, number) = (cursor.u8()?, cursor.u8()?);
    cursor.skip(if version == 1 { 6 } else { 0 })?;
    let mut filters = Vec::new();
    for _ in 0..number {
        let id = cursor.u16_le()?;
        let mut name = if version == 1 || id >= 256 { u64::from(cursor.u16_le()?) } else { 0 };
        cursor.skip(2)?;
        let parameters = cursor.u16_le()?;
        if version == 1 {
            name = name.saturating_add(7) & !7;
        }
        cursor.skip(name)?;
        let values = (0..parameters).map(|_| cursor.u32_le()).collect::<Result<Vec<u32>, _>>()?;
        cursor.skip(if version == 1 && parameters % 2 == 1 { 4 } else { 0 })?;
        filters.push(Filter { id, values });
    }
    Ok(filters)
}
