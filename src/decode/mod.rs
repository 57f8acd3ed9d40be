//! Encodings that several formats share: bytes in, typed structure out, no opinion about it.

#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable
)]

pub mod armor;
pub mod bytecode;
pub mod calls;
pub mod codec;
pub mod hdf5;
pub mod integer;
pub mod json;
pub mod marshal;
pub mod npy;
pub mod pickle;
pub mod sevenz;
mod slice;
pub mod sqlite;
pub mod tar;
pub mod zip;

use crate::bytes::{Exceeded, Malformed, ReadError};

/// Why a decoder stopped that is not at fault for it.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The bytes break the format, or the source failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A limit was reached.
    #[error(transparent)]
    Limit(#[from] Exceeded),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Read(malformed.into())
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error.into())
    }
}
