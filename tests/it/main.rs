//! All integration tests, one module for each question, in one binary.

mod target;
