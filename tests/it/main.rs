//! All integration tests in one binary, so that they link once.

mod arch;
mod corpus;
mod cyclonedx;
mod fixtures;
mod robust;
mod sample;
mod sarif;
mod target;
mod validators;
