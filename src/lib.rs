//! Static security scanner for AI model files.
#![recursion_limit = "256"]
pub mod bytes;
pub mod commands;
pub mod decode;
pub mod escape;
pub mod fact;
pub mod finding;
pub mod formats;
pub mod report;
pub mod rules;
