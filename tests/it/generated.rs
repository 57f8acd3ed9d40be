//! Files that the program writes about itself say what it does. `BLESS=1` rewrites them.

use std::path::Path;

use modelaudit::rules::{RuleSet, doc};

/// Compares a file of the repository with what the program would write, or writes it.
fn check(path: &str, generated: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, generated).expect("the repository can be written");
        return;
    }
    let stored = std::fs::read_to_string(&file).unwrap_or_default();
    if stored != generated {
        let pairs = stored.lines().zip(generated.lines()).enumerate();
        let first = pairs.into_iter().find(|(_, (old, new))| old != new);
        panic!("{path} is out of date, rewrite it with BLESS=1; first difference (line from 0): {first:?}");
    }
}

#[test]
fn the_page_of_the_command_line_is_up_to_date() {
    check("docs/generated/cli.md", &modelaudit::commands::reference::markdown());
}

#[test]
fn the_rows_that_are_compiled_in_are_those_of_the_tables() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/rules");
    let texts: Vec<String> = std::fs::read_dir(folder)
        .expect("the rows are there")
        .map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).expect("a table"))
        .collect();
    let rows = modelaudit::rules::rows(texts.iter().map(String::as_str)).expect("rows");
    check("data/generated/rules.json", &(serde_json::to_string_pretty(&rows).expect("JSON") + "\n"));
}

#[test]
fn rules_page_is_up_to_date() {
    check("RULES.md", &doc::rules_markdown(RuleSet::shipped()));
}

#[test]
fn every_rule_has_an_anchor_that_reports_link_to() {
    let page = doc::rules_markdown(RuleSet::shipped());
    for rule in RuleSet::shipped().rules() {
        let anchor = format!("<a id=\"{}\"></a>\n\n### {} ", rule.code.to_ascii_lowercase(), rule.code);
        assert!(page.contains(&anchor), "{}: no section", rule.code);
        assert!(page.contains(&format!("| [{}](#{})", rule.code, rule.code.to_ascii_lowercase())), "{}", rule.code);
    }
}

#[test]
fn one_rule_explains_itself() {
    let rule = RuleSet::shipped().get("eval-or-exec").expect("the rule exists");
    let page = doc::explain(rule);
    assert!(page.starts_with("# S104 "));
    for part in [rule.why.as_str(), rule.fix.as_str(), "CWE-95", "AML.T0050", "`@eval-globals`"] {
        assert!(page.contains(part), "{part} is missing");
    }
}

#[test]
fn the_listing_has_every_rule_with_its_links() {
    let listing = doc::listing(RuleSet::shipped());
    assert_eq!(listing.len(), RuleSet::shipped().rules().len());
    let json = serde_json::to_value(&listing).expect("plain data");
    let reduce = json.as_array().and_then(|all| all.iter().find(|rule| rule["code"] == "S209")).expect("S209");
    assert_eq!(reduce["family"], "Pickle programs");
    assert_eq!(reduce["severity"], "medium");
    let links: Vec<&str> = reduce["refs"].as_array().into_iter().flatten().filter_map(|link| link.as_str()).collect();
    assert!(links.contains(&"https://nvd.nist.gov/vuln/detail/CVE-2026-24747"));
    assert!(links.contains(&"https://cwe.mitre.org/data/definitions/787.html"));
    assert!(links.contains(&"https://atlas.mitre.org/techniques/AML.T0011.000"));
}
