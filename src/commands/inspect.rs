//! `modelaudit inspect FILE`: what one file holds, without a verdict.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use anstyle::Style;
use anyhow::Context as _;

use crate::bytes::{Budget, FileSource, Input, InputName, Limits};
use crate::decode::pickle::{Listing, program};
use crate::escape::{CAP, printable};
use crate::fact::{Fact, Kind, Location, Sink, Value};
use crate::formats;
use crate::render::page::Page;
use crate::report::Status;
use crate::scan::{self, Options, Outcome};

/// Longest name of an input, in characters: what file systems take.
const NAME: usize = 4096;
/// Opcodes that are listed of one pickle; millions are not read by eye.
const MOST_OPCODES: usize = 100_000;
/// Facts of one kind that are listed of one input.
const MOST_FACTS: usize = 10_000;
/// Inputs that are listed.
const MOST_PARTS: usize = 10_000;
/// Pickles whose opcodes are listed; their decoded bytes are kept until then.
const MOST_PICKLES: usize = 100;
/// Wider columns than this are not padded to.
const COLUMN: usize = 40;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Prints the format, the members, the facts by kind and, for each pickle, the calls that loading makes and its
/// opcodes with resolved names. Returns true if the file was read to its end.
///
/// # Errors
/// The file cannot be opened, or `out` cannot be written.
pub fn run(path: &Path, width: usize, color: bool, out: &mut dyn Write) -> anyhow::Result<bool> {
    let shown = path.to_string_lossy();
    let source = FileSource::open(path).with_context(|| format!("cannot open {}", printable(&shown, NAME)))?;
    let input = Input::new(shown.as_ref(), Arc::new(source));
    let mut survey = Survey::default();
    let outcome = scan::survey(&Options { limits: Limits::default(), payload: true }, &input, &mut survey);
    let mut page = Page::new(out, color, width);
    survey.parts.sort_by(|a, b| a.name.cmp(&b.name));
    for group in survey.parts.iter_mut().flat_map(|part| part.facts.values_mut()) {
        group.rows.sort_by_key(|row| row.offset);
    }
    head(&mut page, &input, &survey, &outcome)?;
    members(&mut page, &survey)?;
    for part in &survey.parts {
        part.print(&mut page)?;
    }
    Ok(!matches!(outcome.coverage.status, Status::Partial | Status::Failed))
}

/// What the whole file is and how much of it was read.
fn head(page: &mut Page<'_>, input: &Input, survey: &Survey, outcome: &Outcome<'_>) -> io::Result<()> {
    page.styled_line(BOLD, &printable(&input.name.path, NAME))?;
    page.labelled("  ", "size:  ", DIM, &format!("{} bytes", input.len()))?;
    let formats: Vec<String> = survey
        .part(&input.name)
        .into_iter()
        .flat_map(|part| &part.formats)
        .map(|name| formats::by_name(name).map_or_else(|| name.clone(), |format| format!("{} ({name})", format.title)))
        .collect();
    let formats = if formats.is_empty() { "none that is known".to_owned() } else { formats.join("; ") };
    page.labelled("  ", "format:", DIM, &formats)?;
    if let Some(digest) = outcome.asset.as_ref().and_then(|asset| asset.sha256.as_deref()) {
        page.line(&format!("  sha256: {digest}"))?;
    }
    let coverage = &outcome.coverage;
    let reason = coverage.reason.as_deref().map(|reason| format!(": {}", printable(reason, CAP)));
    let read = match coverage.status {
        Status::Complete => "to the end",
        Status::Partial => "in part",
        Status::Skipped => "not at all",
        Status::Failed => "not at all, by accident",
    };
    page.labelled("  ", "read:  ", DIM, &format!("{read}{}", reason.unwrap_or_default()))
}

/// The nested inputs that were looked into.
fn members(page: &mut Page<'_>, survey: &Survey) -> io::Result<()> {
    let nested: Vec<&Part> = survey.parts.iter().filter(|part| !part.name.members.is_empty()).collect();
    if nested.is_empty() {
        return Ok(());
    }
    page.gap()?;
    page.styled_line(BOLD, "members")?;
    let rows = nested.iter().map(|part| {
        let size = part.size.map(|size| format!("{size:>12}")).unwrap_or_default();
        Row { offset: None, cells: vec![size, part.formats.join(", "), part.inner()] }
    });
    table(page, "", &rows.collect::<Vec<_>>())?;
    match survey.more {
        0 => Ok(()),
        more => page.line(&format!("  and {more} more")),
    }
}

/// Everything that a walk tells, by input.
#[derive(Default)]
struct Survey {
    parts: Vec<Part>,
    known: HashMap<InputName, usize>,
    pickles: usize,
    more: u64,
}

impl Survey {
    fn part(&self, name: &InputName) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == *name)
    }

    fn at(&mut self, name: &InputName) -> Option<&mut Part> {
        let at = match self.known.get(name) {
            Some(at) => *at,
            None if self.parts.len() >= MOST_PARTS => {
                self.more = self.more.saturating_add(1);
                return None;
            }
            None => {
                self.known.insert(name.clone(), self.parts.len());
                self.parts.push(Part::new(name));
                self.parts.len().saturating_sub(1)
            }
        };
        self.parts.get_mut(at)
    }
}

impl Sink for Survey {
    fn input(&mut self, input: &Input, formats: &[&str]) {
        let is_pickle = formats.contains(&"pickle") && self.pickles < MOST_PICKLES;
        let Some(part) = self.at(&input.name) else { return };
        part.size = Some(input.len());
        for name in formats {
            if part.formats.iter().all(|known| known != name) {
                part.formats.push((*name).to_owned());
            }
        }
        if is_pickle && part.pickle.is_none() {
            part.pickle = Some(input.clone());
            self.pickles = self.pickles.saturating_add(1);
        }
    }

    fn take(&mut self, fact: &Fact<'_>, location: &Location<'_>) {
        let Some(cells) = cells(fact) else { return };
        let Some(part) = self.at(location.name) else { return };
        let group = part.facts.entry(fact.kind()).or_default();
        if group.rows.len() < MOST_FACTS {
            group.rows.push(Row { offset: location.span.map(|span| span.offset), cells });
        } else {
            group.more = group.more.saturating_add(1);
        }
    }
}

/// What is known of one input.
struct Part {
    name: InputName,
    size: Option<u64>,
    formats: Vec<String>,
    facts: BTreeMap<Kind, Group>,
    pickle: Option<Input>,
}

/// Facts of one kind.
#[derive(Default)]
struct Group {
    rows: Vec<Row>,
    more: u64,
}

/// One fact: where it holds and its columns, printable.
struct Row {
    offset: Option<u64>,
    cells: Vec<String>,
}

impl Part {
    fn new(name: &InputName) -> Self {
        Self { name: name.clone(), size: None, formats: Vec::new(), facts: BTreeMap::new(), pickle: None }
    }

    /// The name inside the file.
    fn inner(&self) -> String {
        printable(&self.name.members.join("!/"), NAME)
    }

    fn print(&self, page: &mut Page<'_>) -> io::Result<()> {
        let place = if self.name.members.is_empty() { String::new() } else { format!("{}: ", self.inner()) };
        for (kind, group) in &self.facts {
            page.gap()?;
            page.styled_line(BOLD, &format!("{place}{}", heading(*kind)))?;
            table(page, "  ", &group.rows)?;
            if group.more > 0 {
                page.line(&format!("  and {} more", group.more))?;
            }
        }
        self.pickle.as_ref().map_or(Ok(()), |input| disassembly(page, &place, input))
    }
}

/// A pickle as a program: its calls as Python statements, and its opcodes.
fn disassembly(page: &mut Page<'_>, place: &str, input: &Input) -> io::Result<()> {
    let statements = program(&*input.source, 0, &Budget::new(Limits::default()));
    if !statements.is_empty() {
        page.gap()?;
        page.styled_line(BOLD, &format!("{place}calls, in the order of loading"))?;
    }
    for statement in statements {
        page.line(&format!("  {}", printable(&statement, CAP)))?;
    }
    page.gap()?;
    page.styled_line(BOLD, &format!("{place}opcodes"))?;
    let mut lines = Listing::new(&*input.source, 0);
    for line in lines.by_ref().take(MOST_OPCODES) {
        let note = if line.note.is_empty() { String::new() } else { format!("  # {}", printable(&line.note, CAP)) };
        let operand = printable(&line.operand, CAP);
        page.line(&format!("{:>10}  {:<16} {operand}{note}", line.at, line.mnemonic))?;
    }
    match lines.next() {
        None => Ok(()),
        Some(_) => page.line("  and more"),
    }
}

/// Rows under each other: offsets to the right, columns padded to their widest cell.
fn table(page: &mut Page<'_>, indent: &str, rows: &[Row]) -> io::Result<()> {
    let columns = rows.iter().map(|row| row.cells.len()).max().unwrap_or_default();
    let width = |n: usize| rows.iter().filter_map(|row| row.cells.get(n)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|n| width(n).unwrap_or_default().min(COLUMN)).collect();
    let located = rows.iter().any(|row| row.offset.is_some());
    for row in rows {
        let offset = row.offset.map(|offset| offset.to_string()).unwrap_or_default();
        let mut line = if located { format!("{offset:>10}  ") } else { indent.to_owned() };
        for (cell, width) in row.cells.iter().zip(&widths).filter(|(_, width)| **width > 0) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        page.line(&line)?;
    }
    Ok(())
}

fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Global => "Python names",
        Kind::Code => "stored code",
        Kind::CodeReference => "names in stored code",
        Kind::Opcode => "unusual opcodes",
        Kind::Member => "unusual members",
        Kind::Executable => "programs",
        Kind::Structure => "contradictions",
        Kind::Tensor => "tensors",
        Kind::Component => "what it is",
        Kind::Mismatch => "name and content",
        Kind::Malformed => "broken",
        Kind::Limit => "limits",
        Kind::Unsupported => "not supported",
        Kind::Unresolved => "not here",
        Kind::Text => "texts",
        other => other.name(),
    }
}

/// The columns of a fact; None if something else tells the same.
fn cells(fact: &Fact<'_>) -> Option<Vec<String>> {
    let text = |text: &str| printable(text, CAP);
    Some(match *fact {
        Fact::Global { module, function, usage, invoked_by, arguments, count, .. } => {
            let times = if count > 1 { format!("{count} times") } else { String::new() };
            let by = if invoked_by.is_empty() { String::new() } else { format!("by {invoked_by}") };
            vec![text(usage), text(&format!("{module}.{function}")), by, times, text(arguments)]
        }
        Fact::CodeReference { module, function, usage, within, .. } => {
            vec![text(usage), text(&format!("{module}.{function}")), format!("in {}", text(within))]
        }
        Fact::Tensor { name, dtype, shape, bytes } => {
            vec![text(name), text(dtype), text(shape), format!("{bytes} bytes")]
        }
        Fact::Metadata { key, value, .. } => vec![text(key), text(value)],
        // The metadata, the listing of opcodes and the calls have them.
        Fact::Text { slot: "metadata" | "pickle-string" | "argument", .. } => return None,
        Fact::Text { text: found, slot } => vec![text(slot), text(found)],
        // The head says it.
        Fact::Component { detail: "", .. } => return None,
        ref other => {
            let subject = other.subject();
            let rest = other.fields().into_iter().filter_map(|(name, value)| match value {
                Value::Text(value) if value.is_empty() || value == subject || name == "format" => None,
                Value::Text(value) if name == "detail" => Some(text(value)),
                Value::Text(value) => Some(format!("{name}: {}", text(value))),
                Value::Bool(truth) => truth.then(|| name.replace('_', " ")),
                Value::Int(0) => None,
                Value::Int(number) => Some(format!("{name}: {number}")),
            });
            std::iter::once(text(subject)).chain(rest).collect()
        }
    })
}
