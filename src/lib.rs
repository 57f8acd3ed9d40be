//! Static security scanner for AI model files: says what would run, and where, without loading anything.
//!
//! How a scan flows, and the order to read in:
//!
//! ```text
//! cli, config ──▶ target ──▶ run ──▶ scan ──▶ formats ──▶ fact ──▶ rules ──▶ policy ──▶ report ──▶ render
//!  what is asked   inputs     all     one      (decode,    what     what it   what it    frozen    text, JSON,
//!                             files   file     inspect)    is there  means    is worth   result    SARIF, …
//! ```
//!
//! Five minutes: this page → [`fact`] → [`formats::safetensors`] → `data/rules/s9-integrity.toml` → [`scan`] →
//! [`render::sarif`]. The shape and its reasons are in `docs/architecture.md`.
#![recursion_limit = "256"]

pub mod bytes;
#[cfg(feature = "git")]
pub mod ci;
pub mod cli;
pub mod commands;
pub mod config;
pub mod decode;
pub mod escape;
pub mod extension;
pub mod fact;
pub mod finding;
pub mod formats;
pub mod inspect;
pub mod names;
pub mod policy;
pub mod render;
pub mod report;
pub mod rules;
pub mod run;
pub mod scan;
pub mod suppress;
pub mod target;
