//! Telling: each renderer prints a frozen [`Report`](crate::report::Report) in one format, and does nothing else.
//!
//! No renderer decides what counts, and none trusts its input: a report may have been read from a file that somebody
//! else wrote, so every text is escaped and cut to what the consumer takes.

pub mod cyclonedx;
pub mod github;
pub mod gitlab_codequality;
pub mod gitlab_sast;
mod groups;
pub mod json;
pub mod junit;
mod links;
pub mod markdown;
mod media;
pub mod output;
pub(crate) mod page;
pub(crate) mod phrase;
mod room;
pub mod sarif;
pub mod secrets;
pub mod text;
mod time;
mod unread;
mod uri;
mod wording;
