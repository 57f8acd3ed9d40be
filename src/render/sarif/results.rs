//! Findings as results.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use serde_json::json;
use serde_sarif::sarif::{
    Location, LogicalLocation, PhysicalLocation, PropertyBag, Region, Result as SarifResult, ResultKind, ResultLevel,
    Suppression as SarifSuppression,
};

use crate::finding::{Finding, Severity, State, Suppression};
use crate::render::room::Room;
use crate::render::sarif::artifacts::Artifacts;
use crate::render::sarif::rules::Rules;
use crate::render::sarif::{MESSAGE, Options, number, text, weight, words};
use crate::render::wording::{self, NAME};
use crate::report::Report;

/// Results in a document: what GitHub shows and GitLab reads.
const RESULTS: usize = 5_000;

/// One finding of the document.
pub(super) struct Chosen<'r> {
    pub(super) finding: &'r Finding,
    /// Which of the findings with the same fingerprint it is, from 1, counted over the whole report: leaving some out
    /// of the document must not rename the others.
    ordinal: usize,
}

/// The findings that the document is to hold, worst first.
pub(super) struct Selection<'r> {
    /// All of them, before any cap.
    pub(super) chosen: Vec<Chosen<'r>>,
    /// How many findings are suppressed, in the document or not.
    pub(super) suppressed: usize,
    /// How many the change fixes, in the document or not.
    pub(super) fixed: usize,
}

impl<'r> Selection<'r> {
    /// Chooses by the options and orders by severity; equals stay in the order of the report.
    pub(super) fn of(report: &'r Report, options: &Options) -> Self {
        let mut selection = Self { chosen: Vec::new(), suppressed: 0, fixed: 0 };
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let gone = report.diff.iter().flat_map(|diff| &diff.fixed);
        for finding in report.issues.iter().chain(gone) {
            let ordinal = seen.entry(finding.fingerprint.as_str()).or_default();
            *ordinal += 1;
            let (suppressed, fixed) = (finding.suppression.is_some(), finding.state == State::Fixed);
            selection.suppressed += usize::from(suppressed);
            selection.fixed += usize::from(fixed);
            if (options.include_suppressed || !suppressed) && (options.include_fixed || !fixed) {
                selection.chosen.push(Chosen { finding, ordinal: *ordinal });
            }
        }
        selection.chosen.sort_by_key(|chosen| Reverse(chosen.finding.severity));
        selection
    }
}

/// Results for the selection, as many as fit.
pub(super) fn all<'r>(
    report: &'r Report,
    selection: &Selection<'r>,
    rules: &Rules,
    artifacts: &mut Artifacts<'r>,
    room: &mut Room,
) -> Vec<SarifResult> {
    let compared = has_base(report);
    let mut results = Vec::new();
    for Chosen { finding, ordinal } in selection.chosen.iter().take(RESULTS) {
        let known = artifacts.list.len();
        let mut result = result(finding, artifacts, *ordinal);
        result.rule_index = rules.place(&finding.rule_code);
        result.baseline_state = compared.then(|| json!(baseline_state(finding.state)));
        let added = artifacts.list.get(known..).unwrap_or_default();
        if !room.take(&added) || !room.take(&result) {
            break;
        }
        results.push(result);
    }
    results
}

/// States mean something only if the base version was looked at.
fn has_base(report: &Report) -> bool {
    report.diff.as_ref().is_some_and(|diff| diff.merge_base.is_some() || diff.full_scan_reason.is_none())
}

const fn baseline_state(state: State) -> &'static str {
    match state {
        State::New => "new",
        State::Unchanged => "unchanged",
        State::Fixed => "absent",
    }
}

fn result<'r>(finding: &'r Finding, artifacts: &mut Artifacts<'r>, ordinal: usize) -> SarifResult {
    let weight = weight(finding.severity);
    let mut result = SarifResult::builder()
        .rule_id(wording::line(&finding.rule_code, 255))
        .level(level(finding.severity))
        .kind(ResultKind::Fail)
        .rank(weight.rank)
        .message(text(wording::headline(finding, MESSAGE)))
        .locations(vec![place(finding, artifacts)])
        .partial_fingerprints(fingerprints(finding, ordinal))
        .properties(properties(finding))
        .build();
    result.related_locations = member_place(finding, artifacts).map(|location| vec![location]);
    result.occurrence_count = (finding.occurrences > 1).then(|| number(finding.occurrences));
    result.suppressions = finding.suppression.as_ref().map(|decision| vec![suppression(decision)]);
    result
}

const fn level(severity: Severity) -> ResultLevel {
    match severity {
        Severity::Critical | Severity::High => ResultLevel::Error,
        Severity::Medium => ResultLevel::Warning,
        Severity::Low | Severity::Info | Severity::Debug => ResultLevel::Note,
    }
}

/// The file itself. The byte region is of the file only if nothing is unpacked in between.
fn place<'r>(finding: &'r Finding, artifacts: &mut Artifacts<'r>) -> Location {
    let mut region = Region::builder().start_line(1).start_column(1).end_line(1).end_column(1).build();
    if finding.members.is_empty() {
        add_bytes(&mut region, finding);
    }
    let physical = PhysicalLocation::builder().artifact_location(artifacts.file(&finding.path)).region(region).build();
    let mut location = Location::builder().physical_location(physical).build();
    location.logical_locations = finding.members.last().map(|name| {
        let logical = LogicalLocation::builder()
            .name(wording::line(name, NAME))
            .fully_qualified_name(wording::chain(&finding.path, &finding.members, MESSAGE))
            .kind("member");
        vec![logical.build()]
    });
    location
}

/// The member that the finding is in, with the bytes there.
fn member_place<'r>(finding: &'r Finding, artifacts: &mut Artifacts<'r>) -> Option<Location> {
    let artifact = artifacts.member(&finding.path, &finding.members)?;
    let mut physical = PhysicalLocation::builder().artifact_location(artifact).build();
    if finding.offset.is_some() {
        let mut region = Region::builder().build();
        add_bytes(&mut region, finding);
        physical.region = Some(region);
    }
    let chain = wording::unlinked(&wording::chain(&finding.path, &finding.members, MESSAGE), MESSAGE);
    Some(Location::builder().id(1).message(text(chain)).physical_location(physical).build())
}

fn add_bytes(region: &mut Region, finding: &Finding) {
    region.byte_offset = finding.offset.map(number);
    region.byte_length = finding.offset.and(finding.length).map(number);
}

/// GitHub tracks alerts by the first, together with rule and path; the second is the identity of baselines.
fn fingerprints(finding: &Finding, ordinal: usize) -> BTreeMap<String, String> {
    let identity = wording::line(&finding.fingerprint, 64);
    let short: String = identity.chars().take(16).collect();
    [
        ("primaryLocationLineHash".to_owned(), format!("{short}:{ordinal}")),
        ("modelauditFinding/v1".to_owned(), identity),
    ]
    .into()
}

fn properties(finding: &Finding) -> PropertyBag {
    let mut more = BTreeMap::from([("severity".to_owned(), json!(finding.severity.as_str()))]);
    if !finding.cve.is_empty() {
        more.insert("cve".to_owned(), words(finding.cve.iter().take(50).map(|id| wording::line(id, 50))));
    }
    if !finding.related_rules.is_empty() {
        let codes = finding.related_rules.iter().take(50).map(|code| wording::line(code, 50));
        more.insert("relatedRules".to_owned(), words(codes));
    }
    if !finding.members.is_empty() {
        let names = finding.members.iter().take(64).map(|name| wording::line(name, NAME));
        more.insert("members".to_owned(), words(names));
    }
    PropertyBag::builder().additional_properties(more).build()
}

fn suppression(decision: &Suppression) -> SarifSuppression {
    let mut properties = BTreeMap::from([("source".to_owned(), json!(wording::line(&decision.source, 50)))]);
    for (key, value) in [("owner", &decision.owner), ("expires", &decision.expires)] {
        if let Some(value) = value {
            properties.insert(key.to_owned(), json!(wording::line(value, 200)));
        }
    }
    let mut suppression = SarifSuppression::builder()
        .kind(json!("external"))
        .status(json!("accepted"))
        .properties(PropertyBag::builder().additional_properties(properties).build())
        .build();
    suppression.justification = decision.reason.as_deref().map(|reason| wording::line(reason, MESSAGE));
    suppression
}
