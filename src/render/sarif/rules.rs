//! Rules as descriptors, and the taxonomies that they refer to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::json;
use serde_sarif::sarif::{
    MultiformatMessageString, PropertyBag, ReportingConfiguration, ReportingDescriptor, ReportingDescriptorReference,
    ReportingDescriptorRelationship, ToolComponent, ToolComponentReference,
};

use crate::finding::{Finding, Severity};
use crate::render::sarif::results::{Chosen, Selection};
use crate::render::sarif::{index, weight};
use crate::render::{links, wording};
use crate::report::{Report, RuleInfo};

/// Characters of a description: both hosts refuse more than 1,024.
const DESCRIPTION: usize = 1_000;
/// Characters of a rule's help.
const HELP: usize = 12_000;
/// Tags of a rule that GitHub shows and GitLab reads.
const TAGS: usize = 10;

/// The rules of a run, ready to be pointed at.
pub(super) struct Rules {
    /// Descriptors in the order of the report.
    pub(super) descriptors: Vec<ReportingDescriptor>,
    /// CWE and ATLAS, as far as rules mention them.
    pub(super) taxonomies: Vec<ToolComponent>,
    places: HashMap<String, usize>,
}

impl Rules {
    /// Descriptors of all rules that the report describes or that a selected finding names.
    pub(super) fn describe(report: &Report, selection: &Selection<'_>) -> Self {
        let mut infos: Vec<RuleInfo> = Vec::new();
        let mut places = HashMap::new();
        let mut worst: HashMap<&str, Severity> = HashMap::new();
        for Chosen { finding, .. } in &selection.chosen {
            let severity = worst.entry(finding.rule_code.as_str()).or_insert(finding.severity);
            *severity = finding.severity.max(*severity);
        }
        let unknown = selection.chosen.iter().map(|chosen| undescribed(chosen.finding));
        for info in report.rules.iter().cloned().chain(unknown) {
            if !places.contains_key(&info.code) {
                places.insert(info.code.clone(), infos.len());
                infos.push(info);
            }
        }
        let catalogue = Catalogue::of(&infos);
        let descriptors = infos
            .iter()
            .map(|info| {
                // Hosts know one severity a rule: the worst that this run gives it, so that no alert looks milder.
                descriptor(info, worst.get(info.code.as_str()).copied().unwrap_or(info.severity), &catalogue)
            })
            .collect();
        Self { descriptors, taxonomies: catalogue.taxonomies(), places }
    }

    /// Position of a rule's descriptor.
    pub(super) fn place(&self, code: &str) -> Option<i64> {
        self.places.get(code).map(|place| index(*place))
    }

    /// References to the taxonomies, for the driver.
    pub(super) fn taxonomy_references(&self) -> Vec<ToolComponentReference> {
        self.taxonomies.iter().enumerate().map(|(place, taxonomy)| component(&taxonomy.name, place)).collect()
    }
}

/// A rule that the report does not describe, from what a finding says of it.
fn undescribed(finding: &Finding) -> RuleInfo {
    RuleInfo {
        code: finding.rule_code.clone(),
        name: finding.rule_name.clone(),
        title: finding.rule_name.clone(),
        severity: finding.severity,
        why: finding.why.clone(),
        fix: finding.fix.clone(),
        cwe: finding.cwe.clone(),
        atlas: Vec::new(),
        refs: Vec::new(),
        precision: String::new(),
        prisma: Vec::new(),
    }
}

fn descriptor(info: &RuleInfo, severity: Severity, catalogue: &Catalogue) -> ReportingDescriptor {
    let weight = weight(severity);
    let title = wording::sentence(&wording::line(&info.title, DESCRIPTION - 1));
    let why = wording::prose(&info.why, DESCRIPTION);
    let mut descriptor = ReportingDescriptor::builder()
        .id(wording::line(&info.code, 255))
        .name(wording::line(&info.name, 255))
        .full_description(plain(if why.is_empty() { title.clone() } else { why }))
        .short_description(plain(title))
        .help(help(info))
        .default_configuration(ReportingConfiguration::builder().level(json!(weight.level)).rank(weight.rank).build())
        .properties(properties(info, severity))
        .build();
    descriptor.help_uri = links::rule(&info.code);
    descriptor.relationships = super::some(catalogue.relationships(info));
    descriptor
}

/// A description without markdown.
pub(super) fn plain(text: impl Into<String>) -> MultiformatMessageString {
    MultiformatMessageString::builder().text(text.into()).build()
}

/// The explanation that hosts show beside an alert.
fn help(info: &RuleInfo) -> MultiformatMessageString {
    let why = wording::prose(&info.why, HELP / 3);
    let fix = wording::prose(&info.fix, HELP / 3);
    let refs: Vec<&str> = info.refs.iter().map(String::as_str).filter(|link| links::is_web(link)).take(10).collect();
    let mut text = vec![wording::sentence(&wording::line(&info.title, DESCRIPTION))];
    let mut markdown = vec![format!("**{}** `{}`", wording::line(&info.code, 255), wording::line(&info.name, 255))];
    if !why.is_empty() {
        markdown.push(why.clone());
        text.push(why);
    }
    if !fix.is_empty() {
        markdown.push(format!("**What to do**\n\n{fix}"));
        text.push(format!("What to do: {fix}"));
    }
    if !refs.is_empty() {
        let list: Vec<String> = refs.iter().map(|link| format!("- <{link}>")).collect();
        markdown.push(format!("**References**\n\n{}", list.join("\n")));
        text.push(format!("References: {}", refs.join(", ")));
    }
    MultiformatMessageString::builder().text(text.join("\n\n")).markdown(markdown.join("\n\n")).build()
}

fn properties(info: &RuleInfo, severity: Severity) -> PropertyBag {
    let mut more = BTreeMap::new();
    let mut tags = Vec::new();
    match weight(severity).security_severity {
        Some(number) => {
            tags.push("security".to_owned());
            more.insert("security-severity".to_owned(), json!(number));
        }
        None => {
            more.insert("problem.severity".to_owned(), json!("recommendation"));
        }
    }
    if matches!(info.precision.as_str(), "very-high" | "high" | "medium" | "low") {
        more.insert("precision".to_owned(), json!(info.precision));
    }
    // The first form is the one that GitHub shows, the second the one that GitLab reads.
    tags.extend(info.cwe.iter().map(|number| format!("external/cwe/cwe-{number}")));
    tags.extend(info.cwe.iter().map(|number| format!("cwe-{number}")));
    tags.extend(techniques(info).map(|id| format!("external/atlas/{}", id.to_ascii_lowercase())));
    tags.truncate(TAGS);
    if !info.prisma.is_empty() {
        let policies = info.prisma.iter().take(20).map(|policy| wording::line(policy, 100));
        more.insert("prismaAirsPolicies".to_owned(), super::words(policies));
    }
    let mut bag = PropertyBag::builder().additional_properties(more).build();
    bag.tags = super::some(tags);
    bag
}

fn techniques(info: &RuleInfo) -> impl Iterator<Item = &str> {
    info.atlas.iter().map(String::as_str).filter(|id| links::atlas(id).is_some())
}

/// The outside classifications that the rules of a run mention, each sorted.
struct Catalogue {
    weaknesses: Vec<u32>,
    techniques: Vec<String>,
}

impl Catalogue {
    fn of(infos: &[RuleInfo]) -> Self {
        let weaknesses: BTreeSet<u32> = infos.iter().flat_map(|info| info.cwe.iter().copied()).collect();
        let techniques: BTreeSet<&str> = infos.iter().flat_map(techniques).collect();
        Self {
            weaknesses: weaknesses.into_iter().collect(),
            techniques: techniques.into_iter().map(str::to_owned).collect(),
        }
    }

    fn taxonomies(&self) -> Vec<ToolComponent> {
        let mut all = Vec::new();
        if !self.weaknesses.is_empty() {
            let taxa = self.weaknesses.iter().map(|number| taxon(format!("CWE-{number}"), links::cwe(*number)));
            all.push(taxonomy("CWE", "Common Weakness Enumeration.", "https://cwe.mitre.org/", taxa.collect()));
        }
        if !self.techniques.is_empty() {
            let taxa = self.techniques.iter().filter_map(|id| Some(taxon(id.clone(), links::atlas(id)?)));
            let title = "Adversarial Threat Landscape for Artificial-Intelligence Systems.";
            all.push(taxonomy("ATLAS", title, "https://atlas.mitre.org/", taxa.collect()));
        }
        all
    }

    fn relationships(&self, info: &RuleInfo) -> Vec<ReportingDescriptorRelationship> {
        let atlas = usize::from(!self.weaknesses.is_empty());
        let weaknesses = info.cwe.iter().filter_map(|number| {
            let place = self.weaknesses.binary_search(number).ok()?;
            Some(relationship(format!("CWE-{number}"), place, component("CWE", 0)))
        });
        let techniques = techniques(info).filter_map(|id| {
            let place = self.techniques.binary_search_by(|known| known.as_str().cmp(id)).ok()?;
            Some(relationship(id.to_owned(), place, component("ATLAS", atlas)))
        });
        weaknesses.chain(techniques).collect()
    }
}

fn taxon(id: String, link: String) -> ReportingDescriptor {
    ReportingDescriptor::builder().id(id).help_uri(link).build()
}

fn taxonomy(name: &str, title: &str, link: &str, taxa: Vec<ReportingDescriptor>) -> ToolComponent {
    ToolComponent::builder()
        .name(name)
        .organization("MITRE")
        .short_description(plain(title))
        .information_uri(link)
        .is_comprehensive(false)
        .taxa(taxa)
        .build()
}

fn component(name: &str, place: usize) -> ToolComponentReference {
    ToolComponentReference::builder().name(name).index(index(place)).build()
}

fn relationship(id: String, place: usize, component: ToolComponentReference) -> ReportingDescriptorRelationship {
    let target = ReportingDescriptorReference::builder().id(id).index(index(place)).tool_component(component).build();
    ReportingDescriptorRelationship::builder().target(target).kinds(vec!["relevant".to_owned()]).build()
}
