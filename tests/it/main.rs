//! All integration tests in one binary, so that they link once.

mod arch;
mod corpus;
mod fixtures;
mod json;
mod listings;
mod markdown;
mod robust;
mod sample_report;
mod text;
