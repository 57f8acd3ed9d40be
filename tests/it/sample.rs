//! Reports built by hand, for the renderers: each shows one thing that consumers trip over.

use modelaudit::finding::{Finding, Severity, State, Suppression, fingerprint};
use modelaudit::report::{Asset, Change, Checkout, Coverage, Diff, Report, RuleInfo, Status, Tool, Verdict};
use serde_json::{Map, Value, json};

/// All samples by name.
pub(crate) fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("empty", empty()),
        ("rich", rich()),
        ("hostile", hostile()),
        ("unread", unread()),
        ("diff", diff()),
        ("many", many(6_000)),
        ("bare", bare()),
    ]
}

/// Nothing found, nothing scanned.
pub(crate) fn empty() -> Report {
    Report {
        schema_version: 1,
        tool: Tool {
            name: "modelaudit".into(),
            version: "0.1.0".into(),
            rules_digest: "sha256:00ff".into(),
            names_digest: "sha256:ff00".into(),
        },
        verdict: Verdict::Pass,
        fail_on: Some(Severity::Medium),
        start_time: 0.0,
        duration: 0.0,
        files_scanned: 0,
        bytes_scanned: 0,
        files_ignored: 0,
        has_errors: false,
        scanner_names: Vec::new(),
        checkout: None,
        diff: None,
        issues: Vec::new(),
        assets: Vec::new(),
        coverage: Vec::new(),
        suppressions: Vec::new(),
        errors: Vec::new(),
        notes: Vec::new(),
        rules: Vec::new(),
    }
}

/// A bit of everything: members, suppressions, related rules, CVEs, models with and without claims.
pub(crate) fn rich() -> Report {
    let mut nested = finding("S104", Severity::Critical, "models/a.pt", &["archive/data.pkl"], "builtins.eval");
    nested.cve = vec!["CVE-2025-32434".into()];
    nested.related_rules = vec!["S201".into()];
    nested.occurrences = 3;
    let mut deep =
        finding("S201", Severity::High, "bundle.zip", &["inner.tar.gz", "inner.tar", "x/model.pkl"], "reduce");
    deep.offset = None;
    deep.length = None;
    let mut accepted = finding("S902", Severity::Medium, "model.gguf", &[], "tokenizer.chat_template");
    accepted.suppression = Some(Suppression {
        source: "config".into(),
        reason: Some("False positive: the template is ours".into()),
        owner: Some("ml-platform".into()),
        expires: Some("2027-01-31".into()),
    });
    let mut tolerated = finding("S902", Severity::Low, "model.gguf", &[], "general.url");
    tolerated.suppression = Some(Suppression { source: "baseline".into(), reason: None, owner: None, expires: None });
    Report {
        verdict: Verdict::Fail,
        start_time: 1_750_168_822.5,
        duration: 1.25,
        files_scanned: 4,
        bytes_scanned: 4_321,
        files_ignored: 7,
        scanner_names: vec!["gguf".into(), "pickle".into(), "pytorch".into()],
        checkout: Some(Checkout {
            repository: Some("https://bot:secret@example.com/team/models.git".into()),
            revision: Some("4b825dc642cb6eb9a060e54bf8d69288fbee4904".into()),
            branch: Some("main".into()),
        }),
        issues: vec![
            finding("S101", Severity::Critical, "evil.pickle", &[], "posix.system"),
            nested,
            deep,
            finding("S902", Severity::Info, "notes/extra.json", &[], "auto_map"),
            accepted,
            tolerated,
        ],
        assets: vec![
            asset("evil.pickle", "pickle", 74, json!({})),
            Asset {
                contains: vec!["pickle".into()],
                weights_only: None,
                tensor_count: 2,
                ..asset("models/a.pt", "pytorch", 2_048, json!({}))
            },
            asset("bundle.zip", "zip", 1_000, json!({})),
            Asset {
                tensor_count: 291,
                ..asset(
                    "model.gguf",
                    "gguf",
                    1_199,
                    json!({"general.license": "apache-2.0", "general.architecture": "llama", "context": 4096, "tags": ["a", "b"]}),
                )
            },
            Asset {
                sha256: None,
                ..asset(
                    "weights/model.safetensors",
                    "safetensors",
                    9,
                    json!({"license": "our own", "datasets": ["squad"]}),
                )
            },
        ],
        coverage: vec![
            covered("evil.pickle", Status::Complete, None),
            covered("models/a.pt", Status::Complete, None),
            covered("bundle.zip", Status::Complete, None),
            covered("model.gguf", Status::Complete, None),
        ],
        notes: vec!["2 suppressions match nothing any more".into()],
        rules: vec![
            rule("S101", "os-module-import", Severity::Critical, &[78, 502]),
            rule("S104", "dynamic-code", Severity::Critical, &[94, 502]),
            rule("S201", "pickle-reduce", Severity::High, &[502]),
            rule("S902", "metadata", Severity::Medium, &[]),
        ],
        ..empty()
    }
}

/// Names and texts that attack the reader of a report.
pub(crate) fn hostile() -> Report {
    let names = [
        "models/spaces and 100%.pt",
        "c:/windows:stream.pt",
        "../../etc/passwd",
        "/absolute.pt",
        "模型/ünïcode.pt",
        "rtl\u{202e}tp.exe",
        "line\nbreak\u{1b}[31m.pt",
        "[click](https://evil.example/).pt",
        "<img src=x onerror=alert(1)>.pt",
        "back\\slash.pt",
    ];
    let mut report = Report { verdict: Verdict::Fail, ..empty() };
    for name in names {
        let member = ["../../../root/.ssh/authorized_keys", name];
        let mut plain = finding("S101", Severity::Critical, name, &[], "posix.system");
        plain.message = format!("::error::[a](http://b) {} {{0}}", "long ".repeat(400));
        report.issues.push(plain);
        report.issues.push(finding("S101", Severity::High, name, &member, "posix.system"));
        report.assets.push(asset(name, "pickle", 1, json!({"k\u{202e}\n": "v\u{0}\n", "license": "MIT](x) \u{7}"})));
        report.coverage.push(covered(name, Status::Partial, Some("[x](http://y)\n\u{1b}[0m")));
    }
    let mut described = rule("S101", "os-module-import", Severity::Critical, &[78]);
    described.refs.push("javascript:alert(1)".into());
    described.atlas.push("AML.T9999/../x".into());
    described.title = "long ".repeat(500);
    described.why = "long\n".repeat(5_000);
    report.rules = vec![described];
    report.has_errors = true;
    report
}

/// Files that were not read to the end, and errors of the run.
pub(crate) fn unread() -> Report {
    Report {
        verdict: Verdict::Error,
        has_errors: true,
        files_scanned: 3,
        coverage: vec![
            covered("big.gguf", Status::Partial, Some("limit of 1 GiB reached")),
            covered("lfs.safetensors", Status::Skipped, Some("Git LFS pointer, the object is not here")),
            covered("broken.onnx", Status::Failed, Some("permission denied")),
            covered("fine.npy", Status::Complete, None),
        ],
        assets: vec![asset("big.gguf", "gguf", 2_000_000_000, json!({})), asset("fine.npy", "npy", 128, json!({}))],
        errors: vec!["no-such-folder: no such file or directory".into()],
        ..empty()
    }
}

/// A change: something new, something old, something gone.
pub(crate) fn diff() -> Report {
    let new = finding("S101", Severity::Critical, "new.pkl", &[], "posix.system");
    let mut old = finding("S201", Severity::High, "moved.pkl", &[], "reduce");
    old.state = State::Unchanged;
    let mut gone = finding("S104", Severity::Critical, "moved.pkl", &[], "builtins.eval");
    gone.state = State::Fixed;
    let change = |path: &str, change: &str, from: Option<&str>| Change {
        path: path.into(),
        change: change.into(),
        from: from.map(str::to_owned),
    };
    Report {
        verdict: Verdict::Fail,
        files_scanned: 2,
        diff: Some(Diff {
            mode: "diff".into(),
            base: Some("origin/main".into()),
            merge_base: Some("4b825dc642cb6eb9a060e54bf8d69288fbee4904".into()),
            head: None,
            full_scan_reason: None,
            changed: vec![change("new.pkl", "added", None), change("moved.pkl", "renamed", Some("was.pkl"))],
            fixed: vec![gone],
        }),
        issues: vec![new, old],
        coverage: vec![covered("new.pkl", Status::Complete, None), covered("moved.pkl", Status::Complete, None)],
        rules: vec![
            rule("S101", "os-module-import", Severity::Critical, &[78]),
            rule("S104", "dynamic-code", Severity::Critical, &[94]),
            rule("S201", "pickle-reduce", Severity::High, &[502]),
        ],
        ..empty()
    }
}

/// More findings than any host takes, the worst of them last.
pub(crate) fn many(count: usize) -> Report {
    let mut report = Report { verdict: Verdict::Fail, files_scanned: 60, ..empty() };
    for n in 0..count {
        let severity = if n + 10 >= count { Severity::Critical } else { Severity::Low };
        let member = format!("archive/{n}.pkl");
        let mut one = finding("S201", severity, &format!("models/{}.pt", n % 60), &[&member], "reduce");
        one.fingerprint = fingerprint("S201", &one.path, &one.members, "reduce");
        report.issues.push(one);
    }
    report.rules = vec![rule("S201", "pickle-reduce", Severity::High, &[502])];
    report
}

/// A report that describes none of its rules and repeats a fingerprint.
pub(crate) fn bare() -> Report {
    let one = finding("S101", Severity::Medium, "a.pkl", &[], "posix.system");
    Report { verdict: Verdict::Fail, issues: vec![one.clone(), one], ..empty() }
}

pub(crate) fn finding(code: &str, severity: Severity, path: &str, members: &[&str], evidence: &str) -> Finding {
    let members: Vec<String> = members.iter().map(|name| (*name).to_owned()).collect();
    let mut details = Map::new();
    details.insert("call".into(), Value::String(format!("{evidence}('echo pwned')")));
    Finding {
        rule_code: code.into(),
        rule_name: format!("rule-{}", code.to_lowercase()),
        severity,
        severity_score: severity.score(),
        safety_level: severity.safety_level(),
        message: format!("{evidence} is called while the file loads: {evidence}('echo pwned')"),
        location: format!("{path} (pos 28)"),
        path: path.into(),
        offset: Some(28),
        length: Some(14),
        why: "Loading the file runs it.".into(),
        fix: "Do not load the file.".into(),
        cwe: vec![502],
        cve: Vec::new(),
        details,
        related_rules: Vec::new(),
        occurrences: 1,
        fingerprint: fingerprint(code, path, &members, evidence),
        members,
        state: State::New,
        suppression: None,
    }
}

pub(crate) fn rule(code: &str, name: &str, severity: Severity, cwe: &[u32]) -> RuleInfo {
    RuleInfo {
        code: code.into(),
        name: name.into(),
        title: format!("Title of {name}"),
        severity,
        why: format!("Why `{name}` matters.\n\nA second paragraph."),
        fix: "Use **safetensors**.".into(),
        cwe: cwe.to_vec(),
        atlas: vec!["AML.T0011.000".into()],
        refs: vec!["https://docs.python.org/3/library/pickle.html".into()],
        precision: "high".into(),
        prisma: vec!["Load Time Code Execution".into()],
    }
}

fn asset(path: &str, format: &str, size: u64, metadata: Value) -> Asset {
    let Value::Object(metadata) = metadata else { panic!("metadata is an object") };
    Asset {
        path: path.into(),
        format: format.into(),
        size,
        sha256: Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into()),
        tensors: Vec::new(),
        tensor_count: 0,
        metadata,
        contains: Vec::new(),
        weights_only: None,
    }
}

fn covered(path: &str, status: Status, reason: Option<&str>) -> Coverage {
    Coverage { path: path.into(), status, reason: reason.map(str::to_owned), bytes: 74 }
}
