//! The run itself: how it ended, what it could not read, how much it covered.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::json;
use serde_sarif::sarif::{
    Invocation, Location, Notification, PhysicalLocation, PropertyBag, ReportingConfiguration, ReportingDescriptor,
    ReportingDescriptorReference,
};

use crate::render::sarif::artifacts::Artifacts;
use crate::render::sarif::results::Selection;
use crate::render::sarif::rules::plain;
use crate::render::sarif::{MESSAGE, index, text};
use crate::render::{time, wording};
use crate::report::{Coverage, Report, Status, Verdict};

/// Notifications in a document; one more then says how many are left out.
const NOTIFICATIONS: usize = 1_000;

/// One kind of notification.
struct Kind {
    id: &'static str,
    name: &'static str,
    level: &'static str,
    title: &'static str,
    help: &'static str,
}

const PARTIAL: usize = 0;
const SKIPPED: usize = 1;
const FAILED: usize = 2;
const ERROR: usize = 3;
const NOTE: usize = 4;
const TRUNCATED: usize = 5;

const KINDS: [Kind; 6] = [
    Kind {
        id: "N001",
        name: "FileReadInPart",
        level: "warning",
        title: "A file was read in part.",
        help: "What was read up to the stop is reported; the rest of the file is unknown. Look at the reason: a limit \
               can be raised, a damaged file should be replaced.",
    },
    Kind {
        id: "N002",
        name: "FileSkipped",
        level: "warning",
        title: "A file was not read.",
        help: "The file was left out by decision, for the reason given: its format has no reader, it is excluded, or \
               it is a pointer whose object is not here. Fetch the object, or change the setting, to have it scanned.",
    },
    Kind {
        id: "N003",
        name: "FileUnreadable",
        level: "error",
        title: "A file could not be read.",
        help: "Reading failed for the reason given. Nothing is known about the file: do not take it for clean.",
    },
    Kind {
        id: "N004",
        name: "RunError",
        level: "error",
        title: "Something went wrong in the run itself.",
        help: "A target does not exist, or a setting no longer fits what was scanned. The message says which.",
    },
    Kind {
        id: "N005",
        name: "RunNote",
        level: "note",
        title: "Something is worth knowing about the run.",
        help: "The message says what. It does not affect the outcome.",
    },
    Kind {
        id: "N006",
        name: "ResultsLeftOut",
        level: "warning",
        title: "The document does not hold everything.",
        help: "Hosts accept a limited number of results and bytes, so the least severe are left out. The JSON report \
               holds all of them.",
    },
];

/// Descriptors of all kinds of notification, whether they occur or not.
pub(super) fn descriptors() -> Vec<ReportingDescriptor> {
    KINDS
        .iter()
        .map(|kind| {
            ReportingDescriptor::builder()
                .id(kind.id)
                .name(kind.name)
                .short_description(plain(kind.title))
                .full_description(plain(kind.help))
                .help(plain(kind.help))
                .default_configuration(ReportingConfiguration::builder().level(json!(kind.level)).build())
                .build()
        })
        .collect()
}

/// How the run ended. `dropped` results did not fit into the document.
pub(super) fn invocation<'r>(report: &'r Report, dropped: usize, artifacts: &mut Artifacts<'r>) -> Invocation {
    let mut invocation = Invocation::builder()
        .execution_successful(!report.has_errors && report.verdict != Verdict::Error)
        .exit_code(i64::from(report.verdict.exit_code()))
        .tool_execution_notifications(notifications(report, dropped, artifacts))
        .build();
    if let Some(start) = time::utc(report.start_time) {
        invocation.start_time_utc = Some(start);
        invocation.end_time_utc = time::utc(report.start_time + report.duration.max(0.0));
    }
    invocation
}

fn notifications<'r>(report: &'r Report, dropped: usize, artifacts: &mut Artifacts<'r>) -> Vec<Notification> {
    let mut gaps: Vec<&Coverage> = report.coverage.iter().filter(|file| file.status != Status::Complete).collect();
    // Failures first: they must not be the ones that are cut.
    gaps.sort_by_key(|file| Reverse(file.status));
    let total = report.errors.len() + gaps.len() + report.notes.len();

    let errors = report.errors.iter().map(|error| notification(ERROR, error));
    let gaps = gaps.into_iter().map(|file| gap(file, artifacts));
    let notes = report.notes.iter().map(|note| notification(NOTE, note));
    let mut all: Vec<Notification> = errors.chain(gaps).chain(notes).take(NOTIFICATIONS).collect();
    if dropped > 0 {
        all.insert(0, notification(TRUNCATED, &format!("{dropped} results are left out, the least severe ones")));
    }
    if total > NOTIFICATIONS {
        let hidden = total - NOTIFICATIONS;
        all.push(notification(TRUNCATED, &format!("{hidden} more notifications are left out")));
    }
    all
}

/// A file that was not read to its end.
fn gap<'r>(file: &'r Coverage, artifacts: &mut Artifacts<'r>) -> Notification {
    let mut gap = notification(kind_of(file.status), &gap_message(file));
    let physical = PhysicalLocation::builder().artifact_location(artifacts.file(&file.path)).build();
    gap.locations = Some(vec![Location::builder().physical_location(physical).build()]);
    gap
}

const fn kind_of(status: Status) -> usize {
    match status {
        Status::Partial | Status::Complete => PARTIAL,
        Status::Skipped => SKIPPED,
        Status::Failed => FAILED,
    }
}

fn gap_message(file: &Coverage) -> String {
    let verb = match file.status {
        Status::Failed => "could not be read",
        Status::Skipped => "was not read",
        Status::Partial | Status::Complete => "was read in part",
    };
    let reason = file.reason.as_deref().unwrap_or("no reason is given");
    format!("{} {verb}: {reason}", wording::line(&file.path, 400))
}

fn notification(kind: usize, message: &str) -> Notification {
    let (id, level) = KINDS.get(kind).map_or(("N005", "note"), |kind| (kind.id, kind.level));
    let descriptor = ReportingDescriptorReference::builder().id(id).index(index(kind)).build();
    Notification::builder()
        .descriptor(descriptor)
        .level(json!(level))
        .message(text(wording::sentence(&wording::unlinked(message, MESSAGE - 1))))
        .build()
}

/// What was covered, for readers who ask a clean document what it is clean of.
pub(super) fn properties(report: &Report, selection: &Selection<'_>) -> PropertyBag {
    let verdict = match report.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Error => "error",
    };
    let more = BTreeMap::from([
        ("verdict".to_owned(), json!(verdict)),
        ("filesScanned".to_owned(), json!(report.files_scanned)),
        ("bytesScanned".to_owned(), json!(report.bytes_scanned)),
        ("filesIgnored".to_owned(), json!(report.files_ignored)),
        ("findingsSuppressed".to_owned(), json!(selection.suppressed)),
        ("findingsFixed".to_owned(), json!(selection.fixed)),
        ("rulesDigest".to_owned(), json!(wording::line(&report.tool.rules_digest, 100))),
        ("namesDigest".to_owned(), json!(wording::line(&report.tool.names_digest, 100))),
    ]);
    PropertyBag::builder().additional_properties(more).build()
}
