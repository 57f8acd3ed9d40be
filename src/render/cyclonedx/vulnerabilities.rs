//! Findings as vulnerabilities: one for each rule, file and decision, with all its places.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;

use cyclonedx_bom::external_models::uri::Uri;
use cyclonedx_bom::models::advisory::{Advisories, Advisory};
use cyclonedx_bom::models::property::Properties;
use cyclonedx_bom::models::vulnerability::Vulnerability;
use cyclonedx_bom::models::vulnerability_analysis::{
    ImpactAnalysisResponse, ImpactAnalysisState, VulnerabilityAnalysis,
};
use cyclonedx_bom::models::vulnerability_rating::{
    Score, ScoreMethod, Severity as Rating, VulnerabilityRating, VulnerabilityRatings,
};
use cyclonedx_bom::models::vulnerability_reference::{VulnerabilityReference, VulnerabilityReferences};
use cyclonedx_bom::models::vulnerability_source::VulnerabilitySource;
use cyclonedx_bom::models::vulnerability_target::{VulnerabilityTarget, VulnerabilityTargets};
use cyclonedx_bom::prelude::NormalizedString;

use crate::finding::{Finding, Severity, Suppression};
use crate::render::cyclonedx::components::{Inventory, Item};
use crate::render::cyclonedx::property;
use crate::render::{links, wording};
use crate::report::{Report, RuleInfo};

/// Places that one entry spells out.
const PLACES: usize = 100;

/// All entries, in the order of the inventory and, for one file, of the report.
pub(super) fn all(report: &Report, inventory: &Inventory<'_>) -> Vec<Vulnerability> {
    let rules: HashMap<&str, &RuleInfo> = report.rules.iter().map(|rule| (rule.code.as_str(), rule)).collect();
    let mut counts = HashMap::new();
    let mut list = Vec::new();
    for item in &inventory.items {
        for group in groups(item) {
            list.extend(entry(report, item, &group, &rules, &mut counts));
        }
    }
    list
}

/// Findings of one file that one entry can stand for: same rule, same severity, same decision.
fn groups<'r>(item: &Item<'r>) -> Vec<Vec<&'r Finding>> {
    let mut places: HashMap<_, usize> = HashMap::new();
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in &item.findings {
        let decision = finding.suppression.as_ref().map(|given| (given.source.as_str(), given.reason.as_deref()));
        match places.entry((finding.rule_code.as_str(), finding.severity, decision)) {
            Entry::Occupied(place) => groups.get_mut(*place.get()).into_iter().for_each(|group| group.push(finding)),
            Entry::Vacant(place) => {
                place.insert(groups.len());
                groups.push(vec![finding]);
            }
        }
    }
    groups
}

fn entry(
    report: &Report,
    item: &Item<'_>,
    group: &[&Finding],
    rules: &HashMap<&str, &RuleInfo>,
    counts: &mut HashMap<String, u32>,
) -> Option<Vulnerability> {
    let first = group.first()?;
    let rule = rules.get(first.rule_code.as_str()).copied();
    let code = wording::line(&first.rule_code, 100);
    let mut entry = Vulnerability::new(Some(reference(first, counts)));
    entry.id = Some(NormalizedString::new(&code));
    entry.vulnerability_source = Some(source(report, &code));
    entry.vulnerability_references = references(group);
    entry.vulnerability_ratings = Some(VulnerabilityRatings(vec![rating(report, first.severity)]));
    entry.cwes = weaknesses(first);
    entry.description = Some(match rule {
        Some(rule) => wording::line(&rule.title, 1_000),
        None => wording::line(&first.rule_name, 1_000),
    });
    entry.detail = Some(detail(group));
    entry.recommendation = Some(wording::prose(&first.fix, 4_000)).filter(|fix| !fix.is_empty());
    entry.advisories = rule.and_then(advisories);
    entry.vulnerability_analysis = first.suppression.as_ref().map(analysis);
    entry.vulnerability_targets =
        Some(VulnerabilityTargets(vec![VulnerabilityTarget { bom_ref: item.reference.clone(), versions: None }]));
    let times: u64 = group.iter().map(|finding| finding.occurrences.max(1)).fold(0, u64::saturating_add);
    entry.properties = Some(Properties(vec![
        property("rule", &first.rule_name),
        property("fingerprint", &first.fingerprint),
        property("occurrences", &times.to_string()),
    ]));
    Some(entry)
}

/// Findings with equal fingerprints are told apart by a count.
fn reference(finding: &Finding, counts: &mut HashMap<String, u32>) -> String {
    let base = format!("finding:{}", wording::line(&finding.fingerprint, 64));
    let count = counts.entry(base.clone()).or_default();
    *count = count.saturating_add(1);
    if *count == 1 { base } else { format!("{base}:{count}") }
}

fn source(report: &Report, code: &str) -> VulnerabilitySource {
    VulnerabilitySource {
        name: Some(NormalizedString::new(&wording::line(&report.tool.name, 100))),
        url: links::rule(code).map(|link| Uri::new(&link)),
    }
}

/// The loader faults concerned, by CVE id.
fn references(group: &[&Finding]) -> Option<VulnerabilityReferences> {
    let mut ids: Vec<&String> = group.iter().flat_map(|finding| &finding.cve).collect();
    ids.sort_unstable();
    ids.dedup();
    let known = ids.into_iter().filter_map(|id| Some((id, links::cve(id)?))).take(50);
    let list: Vec<VulnerabilityReference> = known
        .map(|(id, link)| VulnerabilityReference {
            id: NormalizedString::new(id),
            vulnerability_source: VulnerabilitySource {
                name: Some(NormalizedString::new("NVD")),
                url: Some(Uri::new(&link)),
            },
        })
        .collect();
    (!list.is_empty()).then_some(VulnerabilityReferences(list))
}

fn rating(report: &Report, severity: Severity) -> VulnerabilityRating {
    let (rating, score) = match severity {
        Severity::Critical => (Rating::Critical, 10.0),
        Severity::High => (Rating::High, 7.5),
        Severity::Medium => (Rating::Medium, 5.0),
        Severity::Low => (Rating::Low, 2.5),
        Severity::Info => (Rating::Info, 1.0),
        Severity::Debug => (Rating::None, 0.0),
    };
    let name = NormalizedString::new(&wording::line(&report.tool.name, 100));
    VulnerabilityRating {
        vulnerability_source: Some(VulnerabilitySource { name: Some(name), url: None }),
        score: Some(Score::new_unchecked(score)),
        severity: Some(rating),
        score_method: Some(ScoreMethod::Unknown("other".to_owned())),
        vector: None,
        justification: None,
    }
}

fn weaknesses(finding: &Finding) -> Option<Vec<u32>> {
    let numbers: Vec<u32> = finding.cwe.iter().copied().filter(|number| *number > 0).take(50).collect();
    (!numbers.is_empty()).then_some(numbers)
}

fn advisories(rule: &RuleInfo) -> Option<Advisories> {
    let links = rule.refs.iter().filter(|link| links::is_web(link)).take(20);
    let list: Vec<Advisory> = links.map(|link| Advisory { title: None, url: Uri::new(link) }).collect();
    (!list.is_empty()).then_some(Advisories(list))
}

/// Why it matters, then each place with what was seen there.
fn detail(group: &[&Finding]) -> String {
    let mut lines: Vec<String> = Vec::new();
    if let Some(why) = group.first().map(|finding| wording::prose(&finding.why, 4_000)).filter(|why| !why.is_empty()) {
        lines.push(why);
        lines.push(String::new());
    }
    for finding in group.iter().take(PLACES) {
        let place = wording::chain(&finding.path, &finding.members, 400);
        let byte = finding.offset.map(|offset| format!(", byte {offset}")).unwrap_or_default();
        lines.push(format!("- {place}{byte}: {}", wording::unlinked(&finding.message, 1_000)));
    }
    if group.len() > PLACES {
        lines.push(format!("- and {} more", group.len() - PLACES));
    }
    lines.join("\n")
}

/// What somebody decided. A decision counts as a false positive only if its author says so.
fn analysis(decision: &Suppression) -> VulnerabilityAnalysis {
    let reason = decision.reason.as_deref().unwrap_or_default();
    let refuted = reason.to_ascii_lowercase().starts_with("false positive");
    let (state, responses) = if refuted {
        (ImpactAnalysisState::FalsePositive, None)
    } else {
        (ImpactAnalysisState::NotAffected, Some(vec![ImpactAnalysisResponse::WillNotFix]))
    };
    let mut detail = format!("Suppressed by {}", wording::line(&decision.source, 50));
    for (label, value) in [
        ("reason", decision.reason.as_deref()),
        ("owner", decision.owner.as_deref()),
        ("expires", decision.expires.as_deref()),
    ] {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(detail, "; {label}: {}", wording::line(value, 1_000));
        }
    }
    VulnerabilityAnalysis {
        state: Some(state),
        justification: None,
        responses,
        detail: Some(detail),
        first_issued: None,
        last_updated: None,
    }
}
