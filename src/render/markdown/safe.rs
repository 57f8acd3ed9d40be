//! Text in Markdown that cannot be more than text, whoever wrote it.
//!
//! Comments are rendered by hosts that go beyond `CommonMark`: names after `@` notify people, `#1` links an issue, bare
//! addresses become links, and some act on these after the Markdown is gone, so that a backslash does not stop them.
//! None of them looks into code spans. So whatever a scanned file could have written is shown as code, and the rest
//! loses the characters that could make it act.

use std::fmt::Write as _;

use crate::escape::printable;
use crate::render::page::inert;

/// Longest text in a code span, in characters.
const CODE_CAP: usize = 300;

/// Longest explanation, in characters.
const PROSE_CAP: usize = 4000;

/// `text` as a code span: nothing inside is interpreted.
pub(in crate::render) fn code(text: &str) -> String {
    let text = middle(&printable(text, usize::MAX), CODE_CAP);
    let text = if text.is_empty() { " " } else { &text };
    // The one character that could end the span.
    format!("`{}`", inert(&text.replace('`', "\\u{60}")))
}

/// [`code`] in a cell of a table, which a bare `|` would end.
pub(super) fn cell(text: &str) -> String {
    let span = code(text);
    // Renderers differ about a backslash before the one that they take away again.
    span.replace("\\|", "\\\\u{7c}").replace('|', "\\|")
}

/// `text` on one line, with nothing in it that Markdown, HTML or a host would act on.
pub(super) fn text(text: &str) -> String {
    let visible = printable(&text.split_whitespace().collect::<Vec<_>>().join(" "), PROSE_CAP);
    let mut out = String::with_capacity(visible.len());
    // How many `w` stand right before: three and a dot begin an address.
    let mut run_of_w = 0;
    let mut rest = visible.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match c {
            // People and groups, addresses of mail and of the net.
            '@' => out.push_str("\\\\u{40}"),
            ':' if next == '/' => out.push_str("\\\\u{3a}"),
            '.' if run_of_w >= 3 => out.push_str("\\\\u{2e}"),
            // Issues, requests, snippets, milestones, labels, epics of the hosts.
            '#' | '!' | '$' | '%' | '~' | '&' | '^' if next.is_alphanumeric() || "\"'".contains(next) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\\\u{{{:x}}}", u32::from(c));
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '$' | '&' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        run_of_w = if c.eq_ignore_ascii_case(&'w') { run_of_w + 1 } else { 0 };
    }
    out
}

/// An explanation: [`text`] whose code spans stay code spans.
pub(in crate::render) fn prose(source: &str) -> String {
    let cut: String = source.chars().take(PROSE_CAP).collect();
    if !cut.matches('`').count().is_multiple_of(2) {
        return text(&cut);
    }
    let mut out = String::new();
    for (n, part) in cut.split('`').enumerate() {
        let inside = n % 2 == 1;
        if inside && !part.is_empty() {
            out.push_str(&code(part));
        } else if !inside {
            let blank = |at: Option<char>| at.is_some_and(char::is_whitespace);
            let (before, after) = (blank(part.chars().next()), blank(part.chars().last()));
            let plain = text(part);
            if before {
                out.push(' ');
            }
            out.push_str(&plain);
            if after && !plain.is_empty() {
                out.push(' ');
            }
        }
    }
    out.trim().to_owned()
}

/// A block of code in a fence that is longer than any that the text holds.
pub(super) fn fenced(text: &str, language: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let lines: Vec<String> = text.lines().map(|line| printable(line, PROSE_CAP)).collect();
    format!("{fence}{language}\n{}\n{fence}", lines.join("\n"))
}

/// The key of a comment: only characters that mean nothing inside an HTML comment.
pub(super) fn key(text: &str) -> String {
    let mut key = String::new();
    for c in text.chars().take(100) {
        let c = if c.is_ascii_alphanumeric() || "._/".contains(c) { c } else { '-' };
        // Two dashes could end the comment.
        if c != '-' || !key.ends_with('-') {
            key.push(c);
        }
    }
    let key = key.trim_matches('-');
    if key.is_empty() { "default".into() } else { key.to_owned() }
}

/// Both ends of a long text: paths tell most there.
fn middle(text: &str, cap: usize) -> String {
    let length = text.chars().count();
    if length <= cap {
        return text.to_owned();
    }
    let half = cap / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(length.saturating_sub(half.saturating_sub(1))).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_spans_hold_what_they_are_given() {
        assert_eq!(code("a`b|c\n</details>\u{202e}@x"), "`a\\u{60}b|c\\n</details>\\u{202e}@x`");
        assert_eq!(cell("a|b\\|c"), "`a\\|b\\\\u{7c}c`");
        assert_eq!(code(""), "` `");
        let long = code(&format!("{}end", "x".repeat(1000)));
        assert!(long.ends_with("end`") && long.chars().count() == CODE_CAP + 2, "{long}");
    }

    #[test]
    fn text_does_not_act() {
        assert_eq!(text("see @all, #12 and <b>"), "see \\\\u{40}all, \\\\u{23}12 and \\<b\\>");
        assert_eq!(text("![x](http://y) www.z.com"), "\\!\\[x\\](http\\\\u{3a}//y) www\\\\u{2e}z.com");
        assert_eq!(text("1 new. How?"), "1 new. How?");
        assert_eq!(text("a\n\n# b"), "a \\# b");
    }

    #[test]
    fn prose_keeps_code() {
        assert_eq!(
            prose("Use `torch.load` with `weights_only`, *not* this."),
            "Use `torch.load` with `weights_only`, \\*not\\* this."
        );
        assert_eq!(prose("an odd ` one"), "an odd \\` one");
    }

    #[test]
    fn fences_outgrow_their_content() {
        assert_eq!(fenced("a\n````\nb", "toml"), "`````toml\na\n````\nb\n`````");
    }

    #[test]
    fn keys_cannot_end_the_comment() {
        assert_eq!(key("models/ci --> <b>"), "models/ci-b");
        assert_eq!(key("\n"), "default");
    }
}
