//! `modelaudit inspect FILE`: what one file holds, without a verdict.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

use crate::bytes::{Budget, FileSource, Input, Limits};
use crate::decode::pickle::{Listing, program};
use crate::escape::{CAP, printable};
use crate::fact::{Fact, Location, Sink, Value};
use crate::formats::{Detected, Probe, Scan, Stop, detect};

/// Longest field that is printed, in characters.
const WIDTH: usize = CAP;
/// Opcodes that are listed; a pickle of millions is not read by eye.
const MOST_LINES: usize = 100_000;

/// Prints formats, facts, nested inputs and, for a pickle, its calls and its opcodes with resolved names.
///
/// # Errors
/// The file cannot be opened or read, or `out` cannot be written.
pub fn run(path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let shown = path.to_string_lossy();
    let source = FileSource::open(path).with_context(|| format!("cannot open {}", printable(&shown, WIDTH)))?;
    let input = Input::new(shown.as_ref(), std::sync::Arc::new(source));
    let probe = Probe::new(&input).with_context(|| format!("cannot read {}", printable(&shown, WIDTH)))?;
    let detected = detect(&probe);
    writeln!(out, "{}: {} bytes", printable(&shown, WIDTH), input.len())?;
    if detected.formats.is_empty() {
        writeln!(out, "  no known format")?;
    }
    write_facts(&input, &detected, out)?;
    if detected.formats.iter().any(|format| format.name == "pickle" || format.refines == Some("pickle")) {
        write_pickle(&input, out)?;
    }
    Ok(())
}

fn write_facts(input: &Input, detected: &Detected, out: &mut dyn Write) -> anyhow::Result<()> {
    let budget = Budget::new(Limits::default());
    let mut recorder = Recorder::default();
    let (mut children, mut stops): (Vec<Input>, Vec<Stop>) = (Vec::new(), Vec::new());
    for format in &detected.formats {
        writeln!(out, "\n{} ({})", format.title, format.name)?;
        let mut scan = Scan::new(input, format, &budget, &mut recorder, &mut children, &mut stops);
        if let Err(halt) = (format.scan)(&mut scan) {
            scan.halt(&halt);
        }
        for line in recorder.lines.drain(..) {
            writeln!(out, "  {line}")?;
        }
    }
    for child in &children {
        writeln!(out, "  nested: {} ({} bytes)", printable(&child.name.to_string(), WIDTH), child.len())?;
    }
    for stop in &stops {
        writeln!(out, "  not read to the end: {}", printable(&stop.reason, WIDTH))?;
    }
    Ok(())
}

fn write_pickle(input: &Input, out: &mut dyn Write) -> anyhow::Result<()> {
    let calls = program(&*input.source, 0, &Budget::new(Limits::default()));
    if !calls.is_empty() {
        writeln!(out, "\nCalls in the order of loading")?;
    }
    for call in calls {
        writeln!(out, "  {}", printable(&call, WIDTH))?;
    }
    writeln!(out, "\nOpcodes")?;
    for line in Listing::new(&*input.source, 0).take(MOST_LINES) {
        let note = if line.note.is_empty() { String::new() } else { format!("  # {}", printable(&line.note, WIDTH)) };
        writeln!(out, "{:>10}  {:<16} {}{note}", line.at, line.mnemonic, printable(&line.operand, WIDTH))?;
    }
    Ok(())
}

/// Keeps facts as lines of text.
#[derive(Default)]
struct Recorder {
    lines: Vec<String>,
}

impl Sink for Recorder {
    fn take(&mut self, fact: &Fact<'_>, location: &Location<'_>) {
        let place = location.span.map_or_else(String::new, |span| format!("{:>8}  ", span.offset));
        let fields: Vec<String> = fact
            .fields()
            .into_iter()
            .filter_map(|(name, value)| match value {
                Value::Text("") => None,
                Value::Text(text) => Some(format!("{name}={}", printable(text, WIDTH))),
                Value::Bool(truth) => Some(format!("{name}={truth}")),
                Value::Int(number) => Some(format!("{name}={number}")),
            })
            .collect();
        self.lines.push(format!("{place}{}: {}", fact.kind().name(), fields.join(" ")));
    }
}
