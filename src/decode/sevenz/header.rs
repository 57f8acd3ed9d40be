//! The header: what kind it is, and its parts in order.

use super::files::{self, File};
use super::number;
use super::streams::{self, Streams};
use crate::bytes::{Cursor, Malformed};

/// Identifiers of the parts of a header.
pub(super) mod id {
    pub(in super::super) const END: u64 = 0;
    pub(super) const HEADER: u64 = 1;
    pub(super) const ARCHIVE_PROPERTIES: u64 = 2;
    pub(super) const ADDITIONAL_STREAMS: u64 = 3;
    pub(super) const MAIN_STREAMS: u64 = 4;
    pub(super) const FILES: u64 = 5;
    pub(in super::super) const PACK_INFO: u64 = 6;
    pub(in super::super) const UNPACK_INFO: u64 = 7;
    pub(in super::super) const SUBSTREAMS: u64 = 8;
    pub(in super::super) const SIZE: u64 = 9;
    pub(in super::super) const CRC: u64 = 10;
    pub(in super::super) const FOLDER: u64 = 11;
    pub(in super::super) const UNPACK_SIZE: u64 = 12;
    pub(in super::super) const COUNT: u64 = 13;
    pub(super) const ENCODED_HEADER: u64 = 23;
}

/// A header.
#[derive(Debug)]
pub enum Header {
    /// The header proper is packed in the stream that this describes.
    Encoded(Streams),
    /// The header proper.
    Plain {
        /// The streams that hold the files.
        streams: Streams,
        /// The files.
        files: Vec<File>,
        /// What is wrong behind the streams; the files may be incomplete.
        fault: Option<Malformed>,
    },
}

/// Reads a header of at most `most` files. `at` is its offset in the archive, 0 if it was packed.
///
/// # Errors
/// It breaks before its streams are known.
pub fn header(bytes: &[u8], at: u64, most: u64) -> Result<Header, Malformed> {
    let mut c = Cursor::new(bytes, at);
    match number(&mut c)? {
        id::ENCODED_HEADER => return streams::streams(&mut c).map(Header::Encoded),
        id::HEADER => {}
        _ => return Err(c.malformed("no header where the start header says")),
    }
    let mut part = number(&mut c)?;
    if part == id::ARCHIVE_PROPERTIES {
        while number(&mut c)? != id::END {
            let size = number(&mut c)?;
            c.skip(size)?;
        }
        part = number(&mut c)?;
    }
    if part == id::ADDITIONAL_STREAMS {
        return Err(c.malformed("additional streams"));
    }
    let streams = if part == id::MAIN_STREAMS {
        let streams = streams::streams(&mut c)?;
        part = number(&mut c)?;
        streams
    } else {
        Streams::default()
    };
    let mut found = Vec::new();
    let read = match part {
        id::END => Ok(()),
        id::FILES => files::files(&mut c, most, &mut found),
        _ => Err(c.malformed("an unknown part of the header")),
    };
    Ok(Header::Plain { streams, files: found, fault: read.err() })
}
