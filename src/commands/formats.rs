//! `modelaudit formats`: what this build reads, and what it looks for there.

use std::io::{self, Write};

use anstyle::Style;
use serde_json::{Value, json};

use crate::cli::ListFormat;
use crate::formats::{FORMATS, Format, FormatKind};
use crate::render::page::Page;

/// Prints the table of formats. `width` and `color` are for text.
///
/// # Errors
/// Those of the stream.
pub fn run(format: ListFormat, width: usize, color: bool, out: &mut dyn Write) -> io::Result<()> {
    match format {
        ListFormat::Text => text(&mut Page::new(out, color, width)),
        ListFormat::Json => {
            let list: Vec<Value> = FORMATS.iter().map(|format| entry(format)).collect();
            serde_json::to_writer_pretty(&mut *out, &list)?;
            writeln!(out)
        }
        ListFormat::Markdown => out.write_all(markdown().as_bytes()),
    }
}

fn text(page: &mut Page<'_>) -> io::Result<()> {
    for format in FORMATS {
        page.gap()?;
        let title = if format.title == format.name { "" } else { format.title };
        page.styled_line(Style::new().bold(), &format!("{}  {title}", format.name))?;
        let facts = [
            ("names:  ", names(format)),
            ("checks: ", format.checks.to_owned()),
            ("loading:", loading(format).to_owned()),
            ("refines:", format.refines.unwrap_or_default().to_owned()),
        ];
        for (label, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
            page.labelled("  ", label, Style::new().dimmed(), text)?;
        }
    }
    page.gap()?;
    page.line(&format!("{} formats; content decides, names only help", FORMATS.len()))
}

fn entry(format: &Format) -> Value {
    json!({
        "name": format.name,
        "title": format.title,
        "kind": kind(format),
        "extensions": format.extensions,
        "runs_code": format.runs_code,
        "refines": format.refines,
        "checks": format.checks,
        "spec": format.spec,
    })
}

/// The content of `docs/generated/formats.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Formats\n\nWhat this version reads. Content decides what a file is; its name only helps where content cannot.\n\n\
         | format | kind | names | loading it | what is checked |\n|---|---|---|---|---|\n",
    );
    for format in FORMATS {
        let title = if format.spec.starts_with("https://") {
            format!("[{}]({})", cell(format.title), format.spec)
        } else {
            cell(format.title)
        };
        let cells = [&format!("{title} `{}`", format.name), kind(format), &names(format), loading(format)];
        let cells = cells.into_iter().map(str::to_owned).chain([cell(format.checks)]);
        page.push_str("| ");
        page.push_str(&cells.collect::<Vec<_>>().join(" | "));
        page.push_str(" |\n");
    }
    page
}

const fn kind(format: &Format) -> &'static str {
    match format.kind {
        FormatKind::Container => "container",
        FormatKind::Model => "model",
        FormatKind::Program => "program",
    }
}

fn names(format: &Format) -> String {
    format.extensions.iter().map(|extension| format!(".{extension}")).collect::<Vec<_>>().join(" ")
}

const fn loading(format: &Format) -> &'static str {
    if format.runs_code { "can run code" } else { "runs no code of the file's" }
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
