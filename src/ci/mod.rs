//! One run in a pipeline: who runs it and why, what that asks for, and telling the host what came of it.
//!
//! ```text
//! environment ─▶ plan ─▶ (scan) ─▶ summary, comment, upload
//!  host, event    what     run       github, gitlab over http
//! ```
//!
//! Only this part of the program speaks to a network, and only to the host whose pipeline it is. Nothing here judges:
//! the report is the same that `scan` would write for the same versions.

pub mod cache;
pub mod comment;
pub mod environment;
pub mod explain;
pub mod github;
pub mod gitlab;
pub mod http;
pub mod plan;
pub mod summary;
pub mod trust;
