//! Making text from a scanned file safe to show.
//!
//! Names and strings of a hostile file reach people through terminals, logs and reports. Control characters could
//! drive the terminal, bidirectional marks could reorder what is read, and size could drown everything else. What looks
//! like a credential is hidden: a report travels further than the file.

use std::fmt::Write as _;

mod secret;

/// Longest text that a message or detail keeps, in characters.
pub const CAP: usize = 200;

/// `text` with credentials hidden and everything that is not plainly visible written as an escape, cut to `cap`
/// characters. Credentials are hidden first: what is left of one that was cut would tell most of it.
///
/// For what is shown. Rules and identities take the text itself.
#[must_use]
pub fn printable(text: &str, cap: usize) -> String {
    let mut line = Line::new(text.len(), cap);
    let mut from = 0_usize;
    while line.left > 0 {
        // A character has four bytes at most: what begins behind them is not shown.
        let until = from.saturating_add(line.left.saturating_mul(4)).min(text.len());
        let Some(found) = secret::find(text, from..until) else { break };
        line.push(text.get(from..found.hidden.start).unwrap_or_default());
        line.push(found.mark);
        from = found.hidden.end;
    }
    line.push(text.get(from..).unwrap_or_default());
    line.out
}

/// `text` with credentials hidden and nothing else changed: for names that programs compare.
#[must_use]
pub fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0_usize;
    while let Some(found) = secret::find(text, from..text.len()) {
        out.push_str(text.get(from..found.hidden.start).unwrap_or_default());
        out.push_str(found.mark);
        from = found.hidden.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// As [`printable`], but with credentials as they are: for identities, never for an output.
#[must_use]
pub fn visible(text: &str, cap: usize) -> String {
    let mut line = Line::new(text.len(), cap);
    line.push(text);
    line.out
}

/// Visible text up to a number of characters.
struct Line {
    out: String,
    /// Characters that may still follow.
    left: usize,
    cut: bool,
}

impl Line {
    fn new(length: usize, cap: usize) -> Self {
        Self { out: String::with_capacity(length.min(cap.saturating_mul(4))), left: cap, cut: false }
    }

    fn push(&mut self, text: &str) {
        for c in text.chars() {
            if self.left == 0 {
                if !self.cut {
                    self.out.push('…');
                    self.cut = true;
                }
                return;
            }
            self.left = self.left.saturating_sub(1);
            match c {
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                c if is_hidden(c) => {
                    // Writing to a string cannot fail.
                    let _ = write!(self.out, "\\u{{{:x}}}", u32::from(c));
                }
                c => self.out.push(c),
            }
        }
    }
}

/// True for characters that do not show as themselves: controls, bidirectional and zero-width marks, separators,
/// tags, private use.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{fffe}' | '\u{ffff}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..)
}

/// A TOML string of plainly visible characters, none of which could end a Markdown fence or begin a command in a log.
#[must_use]
pub fn toml_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '#' if out.ends_with('#') => out.push_str("\\U00000023"),
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c == '`' || is_hidden(c) => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The pattern that matches just this path: `\\` stands in names of files too, and in those of other bytes than UTF-8.
#[must_use]
pub fn glob(path: &str) -> String {
    globset::escape(&path.replace('\\', "\0")).replace('\0', r"\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_bidirectional_characters_are_spelt_out() {
        assert_eq!(printable("a\x1b[31m\u{202e}b\n", 50), "a\\u{1b}[31m\\u{202e}b\\n");
        assert_eq!(printable("naïve 模型", 50), "naïve 模型");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(printable("abcdef", 3), "abc…");
    }

    #[test]
    fn strings_survive_toml() {
        for text in ["plain/a.pt", "##vso[x]", "a\"b\\c", "x`\u{202e}\n\u{7f}y", "模型"] {
            let line = format!("x = {}", toml_string(text));
            assert!(!line.contains(['`', '\u{202e}', '\n', '\u{7f}']) && !line.contains("##"));
            let table: toml::Table = toml::from_str(&line).unwrap();
            assert_eq!(table.get("x").and_then(toml::Value::as_str), Some(text));
        }
    }
}
