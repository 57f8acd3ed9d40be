//! One comment for one change and key, kept up to date.
//!
//! The comment is found by the marker in its first line and by its author: others can write the marker too, and a token
//! may be allowed to change what they wrote. Where the host does not say who this program is, it says so when a comment
//! is made: what the same account of a program wrote before under the marker then goes.

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
    /// The name under which this program writes. None: that of an app, the host does not say which.
    ///
    /// # Errors
    /// Those of a request.
    fn author(&self) -> Result<Option<String>, HttpError>;
    /// All comments, oldest first.
    ///
    /// # Errors
    /// Those of a request.
    fn list(&self) -> Result<Vec<Existing>, HttpError>;
    /// Adds one, and gives the name of its author.
    ///
    /// # Errors
    /// Those of a request.
    fn create(&self, body: &str) -> Result<String, HttpError>;
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
    let is_marked = |comment: &Existing| comment.body.lines().next().is_some_and(|line| line.trim_end() == marker);
    let marked: Vec<Existing> = discussion.list()?.into_iter().filter(is_marked).collect();
    let mut ours = author.iter().flat_map(|name| by(&marked, name));
    if let Some(first) = ours.next() {
        let text = body(true);
        // Hosts keep line ends and blanks at the end in their own way.
        let same = first.body.replace("\r\n", "\n").trim_end() == text.trim_end();
        if !same {
            discussion.update(first.id, &text)?;
        }
        // Two runs at once may each have found none.
        for other in ours {
            discussion.delete(other.id)?;
        }
        return Ok(if same { Done::Same } else { Done::Updated });
    }
    // One of an unknown program may be ours, and then it must not go on saying what is no longer so.
    let again = author.is_none() && marked.iter().any(|comment| comment.bot);
    if when == Wanted::OnFindings && !again && !is_worth_it(report) {
        return Ok(Done::Silent);
    }
    let name = discussion.create(&body(again))?;
    // Now the host has said who writes.
    let mut done = Done::Created;
    for earlier in by(&marked, &name).filter(|comment| author.is_none() && comment.bot) {
        discussion.delete(earlier.id)?;
        done = Done::Updated;
    }
    Ok(done)
}

/// The comments of one author.
fn by<'c>(comments: &'c [Existing], name: &'c str) -> impl Iterator<Item = &'c Existing> {
    comments.iter().filter(move |comment| comment.author.eq_ignore_ascii_case(name))
}
