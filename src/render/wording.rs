//! Text on its way to a consumer: escaped, cut, and without links that a scanned file could smuggle in.

use std::fmt::Write as _;

use crate::escape;
use crate::finding::Finding;

/// Characters of a member's name in a sentence.
pub(super) const NAME: usize = 200;

/// Characters of a path.
const PATH: usize = 1_000;

/// One line of at most `cap` characters.
pub(super) fn line(text: &str, cap: usize) -> String {
    clip(&escape::printable(text, cap), cap)
}

/// Like `line`, for places where `[text](target)` would become a link.
pub(super) fn unlinked(text: &str, cap: usize) -> String {
    clip(&escape::printable(text, cap).replace("](", "] ("), cap)
}

/// Several lines of at most `cap` characters in all.
pub(super) fn prose(text: &str, cap: usize) -> String {
    let lines: Vec<String> = text.lines().take(cap).map(|one| escape::printable(one.trim_end(), cap)).collect();
    clip(lines.join("\n").trim(), cap)
}

/// `text` with a full stop, unless it ends like a sentence.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?', '…']) { text.to_owned() } else { format!("{text}.") }
}

/// A finding in at most `cap` characters: one sentence that stands alone as a title, then where.
pub(super) fn headline(finding: &Finding, cap: usize) -> String {
    let mut message = String::new();
    if let Some(member) = finding.members.last() {
        message.push_str(&unlinked(member, NAME));
        message.push_str(": ");
    }
    message.push_str(&sentence(&unlinked(&finding.message, cap)));
    let mut tail = String::new();
    if let Some(offset) = finding.offset {
        // Writing to a string cannot fail.
        let _ = write!(tail, " At byte {offset}.");
    }
    if finding.occurrences > 1 {
        let _ = write!(tail, " Occurs {} times.", finding.occurrences);
    }
    let head = cap.saturating_sub(tail.chars().count());
    unlinked(&message, head) + &tail
}

/// A path for a consumer that links it to a file of the repository. One that would climb out of the root, or start at
/// another, becomes a single opaque name.
pub(super) fn file(path: &str) -> String {
    // Folders that were left out end with one.
    let path = path.strip_suffix('/').unwrap_or(path);
    let climbs = path.split('/').any(|segment| matches!(segment, "" | "." | ".."));
    let path = if climbs { format!("_{}", path.replace('/', "%2F")) } else { path.to_owned() };
    line(&path, PATH)
}

/// `text` on one line of at most `cap` characters; `unknown` if there is none.
pub(super) fn word(text: &str, cap: usize) -> String {
    let text = line(text.trim(), cap);
    if text.is_empty() { "unknown".to_owned() } else { text }
}

/// What people call a place in a file: its path and the chain of members in it, outermost first.
pub(super) fn chain(path: &str, members: &[String], cap: usize) -> String {
    let names = std::iter::once(path).chain(members.iter().map(String::as_str));
    let shown: Vec<String> = names.take(64).map(|name| escape::printable(name, cap)).collect();
    clip(&shown.join("!/"), cap)
}

fn clip(text: &str, cap: usize) -> String {
    if text.chars().count() <= cap {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(cap.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_hold_after_escaping() {
        assert_eq!(line(&"\u{202e}".repeat(50), 20).chars().count(), 20);
        assert_eq!(prose(&"a\n".repeat(50), 20).chars().count(), 20);
        assert_eq!(unlinked("[x](http://a)", 20), "[x] (http://a)");
    }

    #[test]
    fn files_stay_below_the_root() {
        assert_eq!(file("models/a b.pt"), "models/a b.pt");
        assert_eq!(file("../../etc/passwd"), "_..%2F..%2Fetc%2Fpasswd");
        assert_eq!(file("/abs"), "_%2Fabs");
        assert_eq!(file("third_party/"), "third_party");
        assert_eq!(file("/"), "_");
        assert_eq!(file(&"x".repeat(5_000)).chars().count(), PATH);
    }

    #[test]
    fn prose_keeps_its_lines() {
        assert_eq!(prose("one\u{1b}\n\ntwo\n", 100), "one\\u{1b}\n\ntwo");
    }
}
