//! All integration tests in one binary, so that they link once.

mod arch;
mod config;
mod corpus;
mod cyclonedx;
mod fixtures;
mod generated;
mod globals;
mod json;
mod listings;
mod markdown;
mod pickle;
mod policy;
mod robust;
mod rules;
mod sample;
mod sample_report;
mod sarif;
mod target;
mod text;
mod validators;
