//! One module for each command: plain parameters in, text out.

pub mod formats;
pub mod render;
pub mod rules;

/// The formats of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For documentation.
    Markdown,
}
