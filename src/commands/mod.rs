//! What the program can be asked to do, one file each.

pub mod inspect;
