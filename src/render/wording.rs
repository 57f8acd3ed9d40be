//! Text on its way to a consumer: escaped, cut, and without links that a scanned file could smuggle in.

use crate::escape;

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
    fn prose_keeps_its_lines() {
        assert_eq!(prose("one\u{1b}\n\ntwo\n", 100), "one\\u{1b}\n\ntwo");
    }
}
