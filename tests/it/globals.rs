//! The policy on Python globals as data: the lists are in order, what attackers use is denied, what models hold is not.

use std::collections::HashMap;
use std::time::Instant;

use modelaudit::bytes::{Input, MemorySource};
use modelaudit::finding::Severity;
use modelaudit::rules::{Class, GlobalTable, RuleSet, Set, Use};
use modelaudit::scan::scan;

use crate::fixtures::options;

/// Names of published attacks and of the mechanisms behind them: module, name.
const DANGEROUS: &str = include_str!("globals/dangerous.txt");
/// Names in files that frameworks write: module, name, protocol.
const ORDINARY: &str = include_str!("globals/ordinary.txt");

fn sets() -> impl Iterator<Item = Set> {
    Set::shipped().filter(|set| set.class.is_some())
}

#[test]
fn lists_are_sorted_and_every_item_has_a_reason() {
    for set in sets() {
        let keys: Vec<(&str, &str)> = set.items.iter().map(|(item, _)| item.split_once(' ').unwrap()).collect();
        for pair in keys.windows(2) {
            assert!(pair[0] < pair[1], "{}: {:?} stands before {:?}", set.name, pair[0], pair[1]);
        }
        for (item, reason) in &set.items {
            assert!(!reason.is_empty(), "{}: {item} has no reason", set.name);
            assert_eq!(item.split_whitespace().count(), 2, "{}: {item} is not a module and a name", set.name);
        }
    }
}

#[test]
fn no_item_is_on_two_lists() {
    let mut owner: HashMap<&str, &str> = HashMap::new();
    for set in sets() {
        for (item, _) in &set.items {
            if let Some(other) = owner.insert(item, set.name) {
                panic!("{item} is in {other} and in {}", set.name);
            }
        }
    }
}

#[test]
fn every_row_decides_about_its_own_name() {
    let table = GlobalTable::shipped();
    for set in sets() {
        for (item, _) in &set.items {
            let (module, name) = item.split_once(' ').unwrap();
            let name = match name {
                "*" => "some_name_on_no_list".to_owned(),
                "<class>" => "SomeNameOnNoList".to_owned(),
                name => name.replace(".*", ".some_method"),
            };
            let module = if module == "*" { "some_module" } else { module };
            // Mild rows of functions and patterns do not hold for calls.
            let entry = table.judge_use(module, &name, 4, Use::Referenced);
            assert_eq!(Some(entry.class), set.class, "{item} of {} is answered by {}", set.name, entry.set);
        }
    }
}

#[test]
fn a_star_makes_nothing_safe_outside_inert_modules() {
    let inert = ["__future__ *", "__torch__ *"];
    for set in sets().filter(|set| matches!(set.class, Some(Class::Safe | Class::Framework))) {
        for (item, _) in &set.items {
            assert!(!item.ends_with(" *") || inert.contains(item), "{item} is too wide for {}", set.name);
        }
    }
}

#[test]
fn what_attackers_use_is_denied_or_decided_by_its_arguments() {
    let table = GlobalTable::shipped();
    assert!(DANGEROUS.lines().count() >= 150);
    for line in DANGEROUS.lines() {
        let (module, name) = line.split_once(' ').unwrap();
        for protocol in [0, 2, 4] {
            let entry = table.judge(module, name, protocol);
            assert!(
                matches!(entry.class, Class::Denied | Class::Gadget),
                "{line} is {:?} by {}",
                entry.class,
                entry.set
            );
        }
    }
}

/// A pickle that calls one name with a string.
pub(crate) fn called_with_text(module: &str, name: &str) -> Vec<u8> {
    let text =
        |text: &str| [b"X", u32::try_from(text.len()).unwrap().to_le_bytes().as_slice(), text.as_bytes()].concat();
    [b"\x80\x04", text(module).as_slice(), &text(name), b"\x93", &text("an argument"), b"\x85R."].concat()
}

#[test]
fn what_attackers_use_is_found_when_called() {
    let mut silent = Vec::new();
    for line in DANGEROUS.lines() {
        let (module, name) = line.split_once(' ').unwrap();
        if GlobalTable::shipped().judge(module, name, 4).class != Class::Denied {
            continue;
        }
        let call = called_with_text(module, name);
        let found = scan(RuleSet::shipped(), &options(), &Input::new("model.pkl", MemorySource::new(call)), true);
        // A name in a temporary folder, or of files there, is worth no more than a note.
        let least = if matches!(module, "glob" | "linecache" | "tempfile") { Severity::Low } else { Severity::Medium };
        if !found.hits.iter().any(|hit| hit.severity >= least) {
            silent.push(line);
        }
    }
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn what_models_hold_is_not_a_finding() {
    let table = GlobalTable::shipped();
    assert!(ORDINARY.lines().count() >= 200);
    for line in ORDINARY.lines() {
        let [module, name, protocol] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let protocol = protocol.parse().unwrap();
        let called = table.judge(module, name, protocol);
        // Of a class a model holds instances. What restoring them loads is a note at most.
        let held = table.judge_use(module, name, protocol, Use::Instantiated);
        let is_class = name.trim_start_matches('_').starts_with(|first: char| first.is_ascii_uppercase());
        // Of a function the name, to be called by its owner.
        let kept = table.judge_use(module, name, protocol, Use::Referenced);
        let entry = match is_class {
            true if called.class != Class::Safe => held,
            true => called,
            false => kept,
        };
        // Helpers that pickle itself uses are judged by their arguments; nothing else in a model is.
        let helper = ["builtins", "__builtin__", "functools", "operator"].contains(&module);
        let silent = matches!(entry.class, Class::Safe | Class::Framework)
            || entry.set == "restored-files-globals"
            || helper && entry.class == Class::Gadget;
        assert!(silent, "{line} is {:?} by {}", entry.class, entry.set);
    }
}

#[test]
fn the_authors_own_names_stay_unknown() {
    let table = GlobalTable::shipped();
    for (module, name) in [
        ("__main__", "Net"),
        ("__main__", "TrainingArguments"),
        ("customlib", "Outer.Inner"),
        ("mycompany.models", "Encoder"),
        ("helpers", "load_state"),
        ("sklearn.mine", "load_state"),
        ("torch.nn.modules.linear", "unheard_of"),
        ("numpy.core", "multiarray"),
        ("mylib", "trace"),
        ("mylib", "Net.select"),
    ] {
        assert_eq!(table.judge(module, name, 4).class, Class::Unknown, "{module} {name}");
    }
}

#[test]
fn odd_names_are_never_mild_and_never_fatal() {
    let table = GlobalTable::shipped();
    let long = "A".repeat(1 << 20);
    let dots = ".".repeat(1 << 16);
    let deep = "a.".repeat(1 << 12) + "os.system";
    for module in
        ["", ".", "sklearn", "sklearn.", "sklearn..tree", "sk learn", "sklearn\0", "ѕklearn", "__torch__", &long, &dots]
    {
        for name in ["", ".", "T r", "Tree\n", "Tree.", ".Tree", "Tre\u{435}", "Tree.fit", "Tree.__x__", "1Tree", &dots]
        {
            let class = table.judge(module, name, 2).class;
            assert!(!matches!(class, Class::Safe | Class::Framework), "{module:.20} {name:.20} is {class:?}");
        }
    }
    assert_eq!(table.judge("sklearn", &deep, 4).class, Class::Denied);
    assert_eq!(table.judge(&deep, "x", 4).class, Class::Unknown);
    assert_eq!(table.judge(&("os.".to_owned() + &dots), "x", 4).class, Class::Denied);
}

#[test]
#[expect(clippy::print_stdout, reason = "a measure for people: the machine decides how long it takes")]
fn the_table_is_built_and_asked_in_no_time() {
    let start = Instant::now();
    let table = GlobalTable::shipped();
    let built = start.elapsed();
    let names: Vec<(&str, &str)> = DANGEROUS.lines().filter_map(|line| line.split_once(' ')).collect();
    let start = Instant::now();
    let denied = names.iter().filter(|(module, name)| table.judge(module, name, 4).class == Class::Denied).count();
    let each = start.elapsed() / u32::try_from(names.len()).unwrap();
    println!("table built in {built:?}, a name judged in {each:?}, {denied} of {} denied", names.len());
}
