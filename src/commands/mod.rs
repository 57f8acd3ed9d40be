//! The commands: each takes what it needs ready-made and prints to the writer that it is given.

pub mod completions;
pub mod config;
pub mod doctor;
pub mod man;
