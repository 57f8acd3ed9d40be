//! What a user decides: suppression, severity, names and patterns of their own.

use serde_json::Value;

use super::{EVIL, Folder, codes};

/// Scans the malicious fixture under this configuration.
fn scan(config: &str, args: &[&str]) -> Value {
    let folder = Folder::new().with(EVIL, "models/evil.pt").write(".modelaudit.toml", config);
    folder.scan().args(["-f", "json", "models"]).args(args).run().json()
}

/// Codes that count, and who decided about the first finding.
fn decided(config: &str, args: &[&str]) -> (Vec<String>, Option<String>) {
    let report = scan(config, args);
    let source = report["issues"][0]["suppression"]["source"].as_str().map(str::to_owned);
    assert_eq!(report["verdict"], if codes(&report).is_empty() { "pass" } else { "fail" }, "{report:#}");
    (codes(&report), source)
}

fn active() -> (Vec<String>, Option<String>) {
    (vec!["S101".to_owned()], None)
}

fn suppressed(source: &str) -> (Vec<String>, Option<String>) {
    (Vec::new(), Some(source.to_owned()))
}

#[test]
fn suppression_by_flag_and_configuration() {
    assert_eq!(decided("", &[]), active());
    assert_eq!(decided("", &["--suppress", "S101"]), suppressed("flag"));
    assert_eq!(decided("", &["--suppress", "S901,os-module-import"]), suppressed("flag"));
    assert_eq!(decided("suppress = [\"S101\"]", &[]), suppressed("config"));
    assert_eq!(decided("suppress = [\"S101\"]", &["--no-config"]), active());
    assert_eq!(decided("[ignore]\n\"models/**\" = [\"S101\"]", &[]), suppressed("ignore"));
    assert_eq!(decided("[ignore]\n\"other/**\" = [\"S101\"]", &[]), active());
    // Names inside archives belong to whoever made the archive.
    assert_eq!(decided("[ignore]\n\"archive/**\" = [\"S101\"]", &[]), active());
}

#[test]
fn a_suppression_ends() {
    let entry = |expires: &str| {
        format!("[[suppress]]\nrule = \"S101\"\npath = \"models/*.pt\"\nreason = \"reviewed\"\nexpires = {expires}\n")
    };
    assert_eq!(decided(&entry("9999-12-31"), &[]), suppressed("config"));
    assert_eq!(decided(&entry("2020-01-31"), &[]), active());
    let report = scan(&entry("2020-01-31"), &[]);
    assert!(report["notes"].to_string().contains("2020-01-31"), "{}", report["notes"]);
    let folder = Folder::new().with(EVIL, "models/evil.pt").write(".modelaudit.toml", entry("9999-12-31"));
    let ran = folder.scan().args(["-v", "models"]).run().exits(0);
    ran.says("suppressed by config: reviewed, until 9999-12-31").says("1 suppressed");
}

#[test]
fn a_digest_names_exactly_one_content() {
    let report = scan("", &[]);
    let digest = report["assets"][0]["sha256"].as_str().unwrap();
    let entry = |digest: &str| format!("[[suppress]]\nsha256 = \"{digest}\"\nreason = \"reviewed\"\n");
    assert_eq!(decided(&entry(digest), &[]), suppressed("config"));
    assert_eq!(decided(&entry(&"0".repeat(64)), &[]), active());
    let blocked = scan(&format!("suppress = [\"S101\"]\nblocked_hashes = [\"{digest}\"]"), &[]);
    assert_eq!(codes(&blocked), ["S1002"]);
}

#[test]
fn severity_is_the_users() {
    let severity = |config: &str, args: &[&str]| scan(config, args)["issues"][0]["severity"].clone();
    assert_eq!(severity("", &[]), "critical");
    assert_eq!(severity("", &["--severity", "S101=low"]), "low");
    assert_eq!(severity("[severity]\nS101 = \"medium\"", &[]), "medium");
    assert_eq!(severity("[severity]\nS101 = \"medium\"", &["--severity", "os-module-import=high"]), "high");
}

#[test]
fn names_patterns_and_lists_of_ones_own() {
    let found = codes(&scan("[custom_patterns]\npatterns = [\"(?i)MODELAUDIT-fix\\\\w+\"]", &[]));
    assert_eq!(found, ["S1001", "S101"]);
    assert_eq!(codes(&scan("", &["--blacklist", "EVIL"])), ["S1001", "S101"]);
    assert_eq!(codes(&scan("blacklist = [\"other-*\"]", &[])), ["S101"]);
}

#[test]
fn python_names_are_worth_what_the_user_says() {
    let folder = |config: &str| {
        // GLOBAL acme.io fetch, a text, TUPLE1, REDUCE, STOP.
        let pickle = b"\x80\x02cacme.io\nfetch\nX\x01\x00\x00\x00x\x85R.";
        Folder::new().write("a.pkl", pickle).write(".modelaudit.toml", config)
    };
    let severity = |config: &str| {
        let report = folder(config).scan().args(["-f", "json", "."]).run().json();
        report["issues"].as_array().unwrap().first().map(|issue| issue["severity"].as_str().unwrap().to_owned())
    };
    assert_eq!(severity("").as_deref(), Some("high"));
    assert_eq!(severity("[pickle_rules.critical]\n\"acme\" = \"*\"").as_deref(), Some("critical"));
    assert_eq!(severity("[pickle_rules.low]\n\"acme.io\" = [\"fetch\"]").as_deref(), Some("low"));
    assert_eq!(severity("[pickle_rules.safe]\n\"acme.io\" = [\"fetch\"]"), None);
    assert_eq!(severity("[pickle_rules.safe]\n\"acme.io\" = [\"other\"]").as_deref(), Some("high"));
}

#[test]
fn a_model_brings_no_policy_of_its_own() {
    let folder = Folder::new().with(EVIL, "download/evil.pt");
    let folder = folder.write("download/.modelaudit.toml", "suppress = [\"S101\"]\n");
    folder.scan().arg("download").run().exits(1);
}
