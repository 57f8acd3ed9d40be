//! All integration tests in one binary, so that they link once.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test stops at what it did not expect, says what it skips, and handles its own files and programs"
)]

mod agreement;
mod arch;
mod ci;
mod cli;
mod code;
mod config;
mod corpus;
mod cyclonedx;
mod fixtures;
mod generated;
mod globals;
mod hosts;
mod json;
mod layers;
mod listings;
mod markdown;
mod names;
mod pickle;
mod policy;
mod readme;
mod robust;
mod rules;
mod sample;
mod sarif;
mod target;
mod templates;
mod text;
mod validators;
mod values;
