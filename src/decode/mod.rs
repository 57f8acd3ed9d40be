//! Encodings that several formats share: bytes in, typed structure out, no opinion about it.

#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable
)]

pub mod npy;
pub mod pickle;
pub mod tar;
pub mod zip;
