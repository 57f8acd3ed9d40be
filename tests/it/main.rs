//! All integration tests in one binary, so that they link once.

mod arch;
mod corpus;
mod fixtures;
mod globals;
mod robust;
