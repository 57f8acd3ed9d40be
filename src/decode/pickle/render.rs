//! Values in Python notation, for people: capped in depth and length, with everything from the file escaped.

use std::fmt::Write as _;

use super::machine::Machine;
use super::names::MODULE;
use super::opcode as op;
use super::text::{self, Integer};
use super::value::{Kind, Value};

/// Longest description, in bytes.
const LONGEST: usize = 160;
/// Deepest nesting that is shown.
const DEEPEST: u8 = 4;
/// Longest string that is shown.
const LONGEST_STRING: usize = 80;
/// String arguments of a call that are kept, and how much of each.
const MOST_TEXTS: usize = 8;
const LONGEST_ARGUMENT: usize = 4096;

impl Machine<'_> {
    /// A value in Python notation.
    pub(super) fn show(&self, value: Value) -> String {
        let mut out = String::new();
        self.write(value, 0, &mut out);
        shorten(out)
    }

    /// A call in Python notation, and its string arguments.
    pub(super) fn describe_call(&self, callable: Value, arguments: Value) -> (String, Vec<String>) {
        let mut out = String::new();
        self.write(callable, 1, &mut out);
        self.write_arguments(arguments, 1, &mut out);
        let mut texts = Vec::new();
        for item in self.cells.items(arguments).unwrap_or_default().into_iter().take(64) {
            if texts.len() < MOST_TEXTS
                && let Some(text) = self.content(item, LONGEST_ARGUMENT)
            {
                texts.push(String::from_utf8_lossy(&text).into_owned());
            }
        }
        (shorten(out), texts)
    }

    fn write_arguments(&self, arguments: Value, depth: u8, out: &mut String) {
        if self.cells.kind(arguments) == Some(Kind::Tuple) {
            out.push('(');
            self.write_items(arguments, depth, out);
            out.push(')');
        } else {
            out.push_str("(*");
            self.write(arguments, depth, out);
            out.push(')');
        }
    }

    fn write_items(&self, container: Value, depth: u8, out: &mut String) {
        let items = self.cells.items(container);
        let Some(items) = items else { return out.push('…') };
        for (n, &item) in items.iter().enumerate() {
            if n > 0 {
                out.push_str(", ");
            }
            if out.len() > LONGEST {
                return out.push('…');
            }
            self.write(item, depth.saturating_add(1), out);
        }
    }

    fn write(&self, value: Value, depth: u8, out: &mut String) {
        if depth > DEEPEST || out.len() > LONGEST {
            return out.push('…');
        }
        match value {
            Value::None => out.push_str("None"),
            Value::Bool(truth) => out.push_str(if truth { "True" } else { "False" }),
            // Writing to a string cannot fail.
            Value::Int(number) => drop(write!(out, "{number}")),
            Value::Number(_) => out.push_str(&self.item_text(value)),
            Value::Str(_) | Value::Bytes(_) | Value::Computed(_) => self.write_string(value, out),
            Value::Global(id) => out.push_str(&self.qualified(id)),
            Value::Node(_) => self.write_node(value, depth, out),
            Value::Unknown | Value::Head(..) | Value::Len(_) => out.push('?'),
        }
    }

    fn write_node(&self, node: Value, depth: u8, out: &mut String) {
        let inside = |open: &str, close: &str, out: &mut String| {
            out.push_str(open);
            self.write_items(node, depth, out);
            out.push_str(close);
        };
        match self.cells.kind(node) {
            Some(Kind::Tuple) if self.cells.len(node) == 1 => inside("(", ",)", out),
            Some(Kind::Tuple) => inside("(", ")", out),
            Some(Kind::List | Kind::Iterator) => inside("[", "]", out),
            Some(Kind::Set) => inside("{", "}", out),
            Some(Kind::Dict) => {
                out.push('{');
                let pairs = self.cells.items(node).unwrap_or_default();
                for (n, pair) in pairs.chunks_exact(2).enumerate() {
                    out.push_str(if n > 0 { ", " } else { "" });
                    if out.len() > LONGEST {
                        out.push('…');
                        break;
                    }
                    if let [key, value] = *pair {
                        self.write(key, depth.saturating_add(1), out);
                        out.push_str(": ");
                        self.write(value, depth.saturating_add(1), out);
                    }
                }
                out.push('}');
            }
            Some(Kind::Call) => {
                self.write(self.cells.field(node, 1), depth.saturating_add(1), out);
                self.write_arguments(self.cells.field(node, 2), depth.saturating_add(1), out);
            }
            Some(Kind::Instance) => {
                self.write(self.cells.field(node, 1), depth.saturating_add(1), out);
                out.push_str(".__new__");
                self.write_arguments(self.cells.field(node, 2), depth.saturating_add(1), out);
            }
            Some(Kind::Persistent) => {
                out.push_str("persistent(");
                self.write(self.cells.field(node, 1), depth.saturating_add(1), out);
                out.push(')');
            }
            _ => out.push('…'),
        }
    }

    fn write_string(&self, value: Value, out: &mut String) {
        if self.is_text(value) == Some(false) {
            out.push('b');
        }
        out.push('\'');
        let content = self.content(value, LONGEST_STRING.saturating_add(1)).unwrap_or_default();
        let cut = content.len() > LONGEST_STRING;
        let shown = content.get(..LONGEST_STRING).unwrap_or(&content);
        // Bytes one by one, as Python shows them; text by its characters.
        let bytes = self.is_text(value) == Some(false);
        let text = if bytes { shown.iter().copied().map(char::from).collect() } else { String::from_utf8_lossy(shown) };
        for c in text.chars() {
            match c {
                '\'' | '\\' => {
                    out.push('\\');
                    out.push(c);
                }
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_control() || (bytes && !c.is_ascii()) => drop(write!(out, "\\x{:02x}", u32::from(c))),
                c => out.push(c),
            }
        }
        out.push_str(if cut { "…'" } else { "'" });
    }

    /// `module.path`, or the module.
    pub(super) fn qualified(&self, id: u32) -> String {
        match self.names.get(id) {
            Some(name) if name.function == MODULE => name.module.clone(),
            Some(name) => format!("{}.{}", name.module, name.function),
            None => "?".to_owned(),
        }
    }

    /// One item of a persistent id as text.
    pub(super) fn item_text(&self, value: Value) -> String {
        match value {
            Value::Int(number) => number.to_string(),
            Value::Str(_) | Value::Bytes(_) | Value::Computed(_) => {
                String::from_utf8_lossy(&self.content(value, LONGEST_ARGUMENT).unwrap_or_default()).into_owned()
            }
            Value::Global(id) => self.qualified(id),
            Value::Number(_) => self.number_text(value).unwrap_or_else(|| "?".to_owned()),
            _ => "?".to_owned(),
        }
    }

    /// A number that does not fit into 32 bits, or a float.
    fn number_text(&self, value: Value) -> Option<String> {
        let Value::Number(far) = value else { return None };
        let mut raw = Vec::new();
        self.reader.copy(far.get(), 32, &mut raw);
        let (&code, rest) = raw.split_first()?;
        match code {
            op::BINFLOAT => {
                let bits = rest.get(..8)?.iter().fold(0, |bits: u64, &byte| bits << 8 | u64::from(byte));
                Some(f64::from_bits(bits).to_string())
            }
            op::BININT => Some(i32::from_le_bytes(rest.get(..4)?.try_into().ok()?).to_string()),
            op::LONG1 => {
                let len = usize::from(*rest.first()?);
                let digits = rest.get(1..len.checked_add(1)?).filter(|digits| digits.len() <= 16)?;
                let fill = if digits.last().is_some_and(|&last| last >= 0x80) { 0xff } else { 0 };
                let mut bytes = [fill; 16];
                bytes.iter_mut().zip(digits).for_each(|(to, &from)| *to = from);
                Some(i128::from_le_bytes(bytes).to_string())
            }
            op::INT | op::LONG | op::FLOAT => {
                let end = memchr::memchr(b'\n', rest)?;
                let line = rest.get(..end)?;
                match text::integer(line) {
                    Some(Integer::Small(number)) => Some(number.to_string()),
                    _ => Some(String::from_utf8_lossy(line).into_owned()),
                }
            }
            _ => None,
        }
    }
}

/// Cuts at a character, and says so.
fn shorten(mut text: String) -> String {
    if text.len() > LONGEST {
        let mut end = LONGEST;
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
