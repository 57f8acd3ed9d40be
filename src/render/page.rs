//! Lines on a page of a fixed width: wrapped, indented, styled where the caller wants that.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Narrower pages are not wrapped any tighter.
const NARROWEST: usize = 40;

/// Where the text of an entry begins: behind the longest word for a severity or a status.
const COLUMN: usize = 11;

/// Where lines go, and how wide they are.
pub(crate) struct Page<'w> {
    out: &'w mut dyn Write,
    color: bool,
    width: usize,
    blank: bool,
    section: String,
}

impl<'w> Page<'w> {
    /// A page of `width` columns; `color` decides whether styles show.
    pub(crate) fn new(out: &'w mut dyn Write, color: bool, width: usize) -> Self {
        Self { out, color, width: width.max(NARROWEST), blank: true, section: String::new() }
    }

    /// One line, however long: names of files are for copying.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.blank = false;
        writeln!(self.out, "{}", inert(text.trim_end()))
    }

    /// One line in one style.
    pub(crate) fn styled_line(&mut self, style: Style, text: &str) -> io::Result<()> {
        let text = self.paint(style, text);
        self.line(&text)
    }

    /// An empty line, unless the page begins here or one was just left.
    pub(crate) fn gap(&mut self) -> io::Result<()> {
        self.section.clear();
        if self.blank {
            return Ok(());
        }
        self.blank = true;
        writeln!(self.out)
    }

    /// A gap before the first line of a section.
    pub(crate) fn gap_once(&mut self, section: &str) -> io::Result<()> {
        if self.section != section {
            self.gap()?;
            section.clone_into(&mut self.section);
        }
        Ok(())
    }

    /// Wrapped text.
    pub(crate) fn paragraph(&mut self, indent: &str, text: &str) -> io::Result<()> {
        let room = self.width.saturating_sub(indent.len());
        wrap(text, room, room).iter().try_for_each(|line| self.line(&format!("{indent}{line}")))
    }

    /// A label and wrapped text behind it, aligned under its first word.
    pub(crate) fn labelled(&mut self, indent: &str, label: &str, style: Style, text: &str) -> io::Result<()> {
        let label_width = label.width() + 1;
        // Text under a long label would be squeezed: it goes on under the label instead.
        let hang = if label_width > 12 { 2 } else { label_width };
        let room = self.width.saturating_sub(indent.len());
        let lines = wrap(text, room.saturating_sub(label_width), room.saturating_sub(hang));
        let label = self.paint(style, label);
        for (n, line) in lines.iter().enumerate() {
            match n {
                0 => self.line(&format!("{indent}{label} {line}"))?,
                _ => self.line(&format!("{indent}{:hang$}{line}", ""))?,
            }
        }
        Ok(())
    }

    /// The first line of a finding: badge, code and further parts, which wrap as wholes.
    pub(crate) fn title(&mut self, style: Style, badge: &str, code: &str, parts: &[&str]) -> io::Result<()> {
        let mut line = format!("  {} {}", self.paint(style, badge), self.paint(Style::new().bold(), code));
        let mut used = 3 + badge.width() + code.width();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            if used + 1 + part.width() > self.width {
                self.line(&line)?;
                line = "   ".into();
                used = 3;
            }
            line = format!("{line} {part}");
            used += 1 + part.width();
        }
        self.line(&line)
    }

    /// A row of a list: a word, a name and wrapped text; the name is never broken.
    pub(crate) fn entry(&mut self, style: Style, word: &str, name: &str, text: &str) -> io::Result<()> {
        let padding = " ".repeat(COLUMN.saturating_sub(2 + word.width()));
        let head = format!("  {}{padding}{name}:", self.paint(style, word));
        let room = self.width.saturating_sub(COLUMN + 2);
        // A line that is full at once is left at once.
        let first = self.width.saturating_sub(COLUMN + name.width() + 2);
        let first = if first < 20 && text.width() > first { 0 } else { first };
        let mut lines = wrap(text, first, room).into_iter();
        match lines.next().filter(|line| !line.is_empty()) {
            Some(line) => self.line(&format!("{head} {line}"))?,
            None => self.line(&head)?,
        }
        lines.try_for_each(|line| self.line(&format!("{:1$}{line}", "", COLUMN + 2)))
    }

    /// The last line, with its last word in a style.
    pub(crate) fn closing(&mut self, text: &str, last: &str, style: Style) -> io::Result<()> {
        let lines = wrap(text, self.width, self.width.saturating_sub(2));
        let count = lines.len();
        for (n, line) in lines.into_iter().enumerate() {
            let indent = if n == 0 { "" } else { "  " };
            match line.strip_suffix(last).filter(|_| n + 1 == count) {
                Some(head) => {
                    let last = self.paint(style, last);
                    self.line(&format!("{indent}{head}{last}"))?;
                }
                None => self.line(&format!("{indent}{line}"))?,
            }
        }
        Ok(())
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// The line with the marks spelt out that make hosts of CI obey a line of a log: names of files begin lines.
pub(crate) fn inert(line: &str) -> Cow<'_, str> {
    let begins = line.trim_start().starts_with("::");
    if !begins && !line.contains("##[") && !line.contains("##vso[") {
        return Cow::Borrowed(line);
    }
    let line = if begins { line.replacen("::", "\\u{3a}:", 1) } else { line.to_owned() };
    Cow::Owned(line.replace("##[", "\\u{23}#[").replace("##vso[", "\\u{23}#vso["))
}

/// `text` in lines of at most `first` and then `rest` columns, broken at spaces; a word longer than a line is broken
/// inside. A first line of no columns stays empty.
fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let rest = rest.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    let mut room = first;
    for (n, word) in text.split(' ').enumerate() {
        let width = word.width();
        if n > 0 && used + 1 + width <= room {
            line.push(' ');
            line.push_str(word);
            used += 1 + width;
            continue;
        }
        if n > 0 || width > room && width <= rest {
            lines.push(std::mem::take(&mut line));
            (used, room) = (0, rest);
        }
        for c in word.chars() {
            let width = c.width().unwrap_or(0);
            if used + width > room {
                lines.push(std::mem::take(&mut line));
                (used, room) = (0, rest);
            }
            line.push(c);
            used += width;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_commands_of_a_host() {
        assert_eq!(inert("  ::error::x"), "  \\u{3a}:error::x");
        assert_eq!(inert("a ##[group]x ##vso[task]"), "a \\u{23}#[group]x \\u{23}#vso[task]");
        assert_eq!(inert("std::fs"), "std::fs");
    }

    #[test]
    fn words_wrap_and_long_words_break() {
        assert_eq!(wrap("aa bb cc", 5, 5), ["aa bb", "cc"]);
        assert_eq!(wrap("abcdefgh", 3, 4), ["abc", "defg", "h"]);
        assert_eq!(wrap("ab cdefg", 4, 4), ["ab", "cdef", "g"]);
        assert_eq!(wrap("abc", 0, 4), ["", "abc"]);
        assert_eq!(wrap("", 4, 4), [""]);
        assert_eq!(wrap("模型模型", 5, 5), ["模型", "模型"]);
    }
}
