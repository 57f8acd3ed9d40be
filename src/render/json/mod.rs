//! The report as JSON: the contract that other programs read, and reading it back.

mod read;
mod schema;

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter};

pub use read::{MAX_BYTES, ReadError, read, read_from};
pub use schema::schema;

use crate::escape::is_hidden;
use crate::report::Report;

/// Version of the contract: grows only when a key changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// Prints the report, indented, with a newline at the end.
///
/// Characters that do not show as themselves are written as JSON escapes: values stay exact, and the text is safe to
/// look at in a terminal.
///
/// # Errors
/// Those of the stream.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let visible = Visible { pretty: PrettyFormatter::with_indent(b"  ") };
    report.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, visible))?;
    out.write_all(b"\n")
}

/// The ordinary indented form, with escapes for hidden characters.
struct Visible<'i> {
    pretty: PrettyFormatter<'i>,
}

impl Formatter for Visible<'_> {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(out)
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = fragment;
        while let Some((at, hidden)) = plain.char_indices().find(|(_, c)| is_hidden(*c)) {
            let (head, tail) = plain.split_at(at);
            out.write_all(head.as_bytes())?;
            for unit in hidden.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            plain = tail.strip_prefix(hidden).unwrap_or_default();
        }
        out.write_all(plain.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        self.pretty.write_char_escape(out, escape)
    }
}
