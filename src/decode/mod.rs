//! Encodings that several formats share: bytes in, typed structure out, no opinion about it.

pub mod pickle;
pub mod zip;
