//! Integration tests, one binary.

mod generated;
mod rules;
