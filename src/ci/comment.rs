//! One comment for one change and key, kept up to date.
//!
//! The comment is found by the marker in its first line and by its author: others can write the marker too, and could
//! change a comment of theirs after this program has filled it in. Where the host does not say who this program is, an
//! account of a program counts, and whether a comment can be changed decides: people are never taken for it.

use std::collections::HashSet;

use super::http::HttpError;
use crate::cli::Wanted;
use crate::finding::State;
use crate::render::markdown::marker;
use crate::report::{Report, Verdict};

/// A comment that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its id.
    pub id: u64,
    /// Its text.
    pub body: String,
    /// Who wrote it.
    pub author: String,
    /// The author is a program, as the host says.
    pub bot: bool,
}

/// The discussion of a change.
pub trait Discussion {
    /// The name under which this program writes. None: some program's, the host does not say which.
    ///
    /// # Errors
    /// Those of a request.
    fn author(&self) -> Result<Option<String>, HttpError>;
    /// All comments, oldest first.
    ///
    /// # Errors
    /// Those of a request.
    fn list(&self) -> Result<Vec<Existing>, HttpError>;
    /// Adds one.
    ///
    /// # Errors
    /// Those of a request.
    fn create(&self, body: &str) -> Result<(), HttpError>;
    /// Replaces the text of one.
    ///
    /// # Errors
    /// Those of a request.
    fn update(&self, id: u64, body: &str) -> Result<(), HttpError>;
    /// Removes one.
    ///
    /// # Errors
    /// Those of a request.
    fn delete(&self, id: u64) -> Result<(), HttpError>;
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// A new comment.
    Created,
    /// The comment of an earlier run has new text.
    Updated,
    /// It has this text already.
    Same,
    /// Nothing to say.
    Silent,
}

impl Done {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Same => "unchanged",
            Self::Silent => "none",
        }
    }
}

/// True if a reviewer should see the report: something new, something fixed, something that was not read.
#[must_use]
pub fn is_worth_it(report: &Report) -> bool {
    let fixed = report.diff.as_ref().is_some_and(|diff| !diff.fixed.is_empty());
    report.verdict != Verdict::Pass || fixed || report.active().any(|finding| finding.state == State::New)
}

/// True if the report has nothing left: earlier findings are resolved. A run that could not look at everything says
/// nothing of the kind.
#[must_use]
pub fn is_clean(report: &Report) -> bool {
    report.verdict == Verdict::Pass && !report.has_errors && report.active().next().is_none()
}

/// Brings the comment with a key up to date. `body` writes the text; it is told whether it takes the place of an earlier
/// one.
///
/// # Errors
/// Those of a request.
pub fn publish(
    discussion: &dyn Discussion,
    key: &str,
    report: &Report,
    when: Wanted,
    body: impl Fn(bool) -> String,
) -> Result<Done, HttpError> {
    if when == Wanted::Never {
        return Ok(Done::Silent);
    }
    let author = discussion.author()?;
    let marker = marker(key);
    let ours = |comment: &Existing| {
        author.as_ref().map_or(comment.bot, |author| comment.author.eq_ignore_ascii_case(author))
            && comment.body.lines().next().is_some_and(|line| line.trim_end() == marker)
    };
    let existing: Vec<Existing> = discussion.list()?.into_iter().filter(ours).collect();
    let text = body(true);
    let mut strangers = HashSet::new();
    for first in &existing {
        if strangers.contains(&first.author) {
            continue;
        }
        // Hosts keep line ends and blanks at the end in their own way.
        let same = first.body.replace("\r\n", "\n").trim_end() == text.trim_end();
        match if same { Ok(()) } else { discussion.update(first.id, &text) } {
            // Another program's.
            Err(error) if author.is_none() && error.is_refusal() => {
                strangers.insert(&first.author);
                continue;
            }
            done => done?,
        }
        // Two runs at once may each have found none.
        for other in existing.iter().filter(|other| other.id != first.id && other.author == first.author) {
            discussion.delete(other.id)?;
        }
        return Ok(if same { Done::Same } else { Done::Updated });
    }
    if when == Wanted::OnFindings && !is_worth_it(report) {
        return Ok(Done::Silent);
    }
    discussion.create(&body(false))?;
    Ok(Done::Created)
}
