//! SARIF 2.1.0, for GitHub code scanning, GitLab, Azure DevOps and SARIF viewers.
//!
//! One document serves all of them, so it stays inside the smaller of their limits: 5,000 results, 9 MB, messages of
//! 1,000 characters. GitHub wants a text region for every result, even in a binary file, so each has line 1 beside its
//! byte region. Suppressed results stay out unless asked for: GitHub would open alerts for them.

mod artifacts;
mod results;
mod rules;
mod run;

use std::io::{self, Write};

use serde_json::{Value, json};
use serde_sarif::sarif::{
    ArtifactLocation, Message, Run, RunAutomationDetails, Sarif, Tool, ToolComponent, VersionControlDetails,
};

use crate::finding::Severity;
use crate::render::room::Room;
use crate::render::{links, uri, wording};
use crate::report::Report;

use artifacts::Artifacts;
use results::Selection;
use rules::Rules;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The base that all locations are relative to.
const SOURCE_ROOT: &str = "%SRCROOT%";

/// Characters of a message: GitLab drops results with more than 1,024.
const MESSAGE: usize = 1_000;

/// What the caller may choose.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Write suppressed findings too, marked as such. GitHub ignores the mark.
    pub include_suppressed: bool,
    /// Write findings that the change fixes too, with the state `absent`. GitHub ignores the state.
    pub include_fixed: bool,
    /// Name that tells several uploads of one repository apart, as for the projects of a monorepo.
    pub category: Option<String>,
}

/// Writes `report` as SARIF, with a newline at the end.
///
/// # Errors
///
/// Those of `out`.
pub fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let log = Sarif::builder().schema(SCHEMA).version(json!("2.1.0")).runs(vec![run(report, options)]).build();
    serde_json::to_writer(&mut *out, &log)?;
    out.write_all(b"\n")
}

fn run(report: &Report, options: &Options) -> Run {
    let selection = Selection::of(report, options);
    let rules = Rules::describe(report, &selection);
    let mut room = Room::of_document();
    room.take(&rules.descriptors);
    let mut artifacts = Artifacts::of(report);
    let results = results::all(report, &selection, &rules, &mut artifacts, &mut room);
    let dropped = selection.chosen.len().saturating_sub(results.len());
    let invocation = run::invocation(report, dropped, &mut artifacts);

    let mut run = Run::builder()
        .tool(Tool::builder().driver(driver(report, &rules)).build())
        .automation_details(RunAutomationDetails::builder().id(automation_id(report, options)).build())
        .invocations(vec![invocation])
        .column_kind(json!("utf16CodeUnits"))
        .original_uri_base_ids([(SOURCE_ROOT.to_owned(), source_root())])
        .results(results)
        .properties(run::properties(report, &selection))
        .build();
    run.artifacts = Some(artifacts.list);
    run.taxonomies = some(rules.taxonomies);
    run.version_control_provenance = provenance(report).map(|details| vec![details]);
    run
}

fn driver(report: &Report, rules: &Rules) -> ToolComponent {
    let mut driver = ToolComponent::builder()
        .name(wording::line(&report.tool.name, 255))
        .full_name(wording::line(&format!("{} {}", report.tool.name, report.tool.version), 255))
        .organization(wording::line(&report.tool.name, 255))
        .version(wording::line(&report.tool.version, 100))
        .semantic_version(wording::line(&report.tool.version, 100))
        .short_description(rules::plain("Static security scanner for AI model files."))
        .rules(rules.descriptors.clone())
        .notifications(run::descriptors())
        .build();
    driver.information_uri = links::home().map(str::to_owned);
    driver.supported_taxonomies = some(rules.taxonomy_references());
    driver
}

/// `tool/category/`: GitHub takes what stands before the last slash as the category. Results of a change have their
/// own, or they would close the alerts of every file that the change does not touch.
fn automation_id(report: &Report, options: &Options) -> String {
    let mut id = format!("{}/", wording::line(&report.tool.name, 100));
    if let Some(category) = options.category.as_deref().map(|name| name.trim_matches('/')).filter(|c| !c.is_empty()) {
        id.push_str(&wording::line(category, 200));
        id.push('/');
    }
    if report.diff.as_ref().is_some_and(|diff| diff.full_scan_reason.is_none()) {
        id.push_str("diff/");
    }
    id
}

fn source_root() -> ArtifactLocation {
    ArtifactLocation::builder().description("The root of the repository or folder that was scanned.").build()
}

fn provenance(report: &Report) -> Option<VersionControlDetails> {
    let checkout = report.checkout.as_ref()?;
    let mut details = VersionControlDetails::builder()
        .repository_uri(uri::repository(checkout.repository.as_deref()?)?)
        .mapped_to(ArtifactLocation::builder().uri_base_id(SOURCE_ROOT).build())
        .build();
    details.revision_id = checkout.revision.as_deref().map(|id| wording::line(id, 100));
    details.branch = checkout.branch.as_deref().map(|name| wording::line(name, 255));
    Some(details)
}

/// How one severity reads in SARIF and at its hosts. GitHub sorts by the rule's `security-severity`, GitLab by `rank`.
struct Weight {
    level: &'static str,
    rank: f64,
    security_severity: Option<&'static str>,
}

const fn weight(severity: Severity) -> Weight {
    let (level, rank, security_severity) = match severity {
        Severity::Critical => ("error", 95.0, Some("9.5")),
        Severity::High => ("error", 80.0, Some("8.0")),
        Severity::Medium => ("warning", 55.0, Some("5.5")),
        Severity::Low => ("note", 25.0, Some("2.5")),
        Severity::Info => ("note", 5.0, None),
        Severity::Debug => ("note", 1.0, None),
    };
    Weight { level, rank, security_severity }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn text(text: impl Into<String>) -> Message {
    Message::builder().text(text.into()).build()
}

/// SARIF counts in signed numbers.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn index(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn words(list: impl IntoIterator<Item = String>) -> Value {
    Value::Array(list.into_iter().map(Value::String).collect())
}
