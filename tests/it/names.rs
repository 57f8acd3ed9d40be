//! The table of known names: it is the one that its record names, and it says what the packages' sources say.

use std::fs;

use modelaudit::bytes::{Input, MemorySource};
use modelaudit::finding::Severity;
use modelaudit::names::NamesTable;
use modelaudit::rules::{Class, GlobalTable, RuleSet, Use};
use modelaudit::scan::scan;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::fixtures::{options, root};
use crate::globals::called_with_text;

/// Names that files of many releases hold: module, name.
const KNOWN: &str = include_str!("globals/known.txt");
/// Names of known packages that do harm when they are called: module, name.
const JUDGED: &str = include_str!("globals/judged.txt");
/// Names of known packages that load, fetch, import or run what they are called with: module, name.
const LOADERS: &str = include_str!("globals/loaders.txt");
/// What restoring an instance does, for classes where that is not nothing: module, name, reason.
const RESTORED: &str = include_str!("globals/restored.txt");
/// Functions and methods that objects of known packages hold: module, name.
const STORED: &str = include_str!("globals/stored.txt");

fn rows(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().map(|line| line.split_once(' ').unwrap_or_else(|| panic!("{line}")))
}

fn is_mild(class: Class) -> bool {
    matches!(class, Class::Safe | Class::Framework)
}

#[test]
fn the_record_names_the_table() {
    let hex: String = Sha256::digest(NamesTable::bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(NamesTable::shipped().digest, format!("sha256:{hex}"), "run `just names`");
    assert!(NamesTable::names() > 50_000);
    assert!(NamesTable::bytes().len() < 4 << 20, "the table has {} bytes", NamesTable::bytes().len());
}

#[test]
fn every_wheel_that_was_read_has_its_digest() {
    let text = fs::read_to_string(root().join("data/names/sources.json")).unwrap();
    let records: Vec<Json> = serde_json::from_str(&text).unwrap();
    assert!(NamesTable::shipped().origin.starts_with(&format!("{} releases", records.len())));
    for record in records {
        assert_eq!(record["sha256"].as_str().map(str::len), Some(64), "{record}");
        assert!(record["names"].as_u64().is_some(), "{record}");
        let source = &record["source"];
        assert!(source.is_null() || source["sha256"].as_str().map(str::len) == Some(64), "{record}");
    }
}

#[test]
fn classes_of_known_packages_are_no_finding() {
    let table = GlobalTable::shipped();
    assert!(KNOWN.lines().count() >= 80);
    for (module, name) in rows(KNOWN) {
        for protocol in [2, 4] {
            for usage in [Use::Instantiated, Use::Referenced] {
                let entry = table.judge_use(module, name, protocol, usage);
                assert!(is_mild(entry.class), "{module} {name} {usage:?} is {:?} by {}", entry.class, entry.set);
            }
        }
    }
}

#[test]
fn what_does_harm_when_called_is_a_finding() {
    let table = GlobalTable::shipped();
    assert!(JUDGED.lines().count() >= 25);
    for (module, name) in rows(JUDGED) {
        let entry = table.judge_use(module, name, 4, Use::Called);
        assert!(!is_mild(entry.class) && entry.class != Class::Unknown, "{module} {name} is {:?}", entry.class);
        assert!(!entry.reason.is_empty(), "{module} {name}");
    }
}

#[test]
fn what_loads_its_argument_is_found_in_a_pickle() {
    assert!(LOADERS.lines().count() >= 60);
    let silent: Vec<_> = rows(LOADERS)
        .filter(|(module, name)| {
            let call = MemorySource::new(called_with_text(module, name));
            let found = scan(RuleSet::shipped(), &options(), &Input::new("model.pkl", call), true);
            !found.hits.iter().any(|hit| hit.severity >= Severity::Medium)
        })
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn what_restoring_an_instance_does_is_said() {
    let table = GlobalTable::shipped();
    assert!(RESTORED.lines().count() >= 15);
    for line in RESTORED.lines() {
        let (name, reason) = line.split_once(": ").unwrap();
        let (module, name) = name.split_once(' ').unwrap();
        let entry = table.judge_use(module, name, 4, Use::Instantiated);
        assert_eq!((entry.class, entry.reason), (Class::Gadget, reason), "{module} {name}");
    }
}

#[test]
fn an_object_that_runs_something_when_it_is_used_is_found_without_a_call() {
    let severity = |stream: &[u8]| {
        let source = MemorySource::new(stream.to_vec());
        scan(RuleSet::shipped(), &options(), &Input::new("model.pkl", source), true)
            .hits
            .iter()
            .map(|hit| hit.severity)
            .max()
    };
    // The state of an ordinary object: a reader in Python asks whether it is true, which compiles and starts a program.
    let state = |class: &str| {
        [b"\x80\x04ccollections\nOrderedDict\n)\x81c".as_slice(), class.as_bytes(), b"\n)\x81b."].concat()
    };
    assert!(severity(&state("torch._inductor.cpu_vec_isa\nVecAVX2")) >= Some(Severity::Medium));
    assert!(severity(&state("torch.nn.modules.linear\nLinear")) < Some(Severity::Medium));
    // Calling an instance is a finding whatever its class.
    assert!(severity(b"\x80\x04csklearn.tree._classes\nDecisionTreeClassifier\n)\x81)R.") >= Some(Severity::Medium));
}

#[test]
fn a_name_in_the_tests_of_a_package_is_unknown() {
    let table = GlobalTable::shipped();
    for (module, name) in [
        ("sklearn.tests.test_base", "MyEstimator"),
        ("pandas.tests.extension.decimal.array", "DecimalArray"),
        ("numpy.lib.test.test_io", "Reader"),
        ("scipy.conftest", "Backend"),
    ] {
        for usage in [Use::Called, Use::Instantiated] {
            assert_eq!(table.judge_use(module, name, 4, usage).class, Class::Unknown, "{module} {name} {usage:?}");
        }
    }
    // These are no tests.
    assert_eq!(
        table.judge_use("statsmodels.tools.testing", "HolderOfTomorrow", 4, Use::Instantiated).class,
        Class::Framework
    );
}

#[test]
fn what_objects_hold_is_a_finding_only_when_it_is_called() {
    let table = GlobalTable::shipped();
    for (module, name) in rows(STORED) {
        assert_eq!(table.judge_use(module, name, 4, Use::Referenced).class, Class::Framework, "{module} {name}");
        for usage in [Use::Called, Use::Instantiated] {
            assert_eq!(table.judge_use(module, name, 4, usage).class, Class::Unknown, "{module} {name} {usage:?}");
        }
    }
    // What opens files is not held either.
    for (module, name) in
        [("nltk.data", "load"), ("spacy.util", "load_model"), ("sklearn.datasets._base", "load_files")]
    {
        assert!(!is_mild(table.judge_use(module, name, 4, Use::Referenced).class), "{module} {name}");
    }
}

#[test]
fn a_constructor_that_protocol_2_writes_as_a_call_makes_an_instance() {
    let table = GlobalTable::shipped();
    let class = |module, name| table.judge(module, name, 4).class;
    assert_eq!(class("scipy.stats._stats_py", "KstestResult.__new__"), Class::Framework);
    assert_eq!(class("sklearn.tree._classes", "DecisionTreeClassifier.__new__"), Class::Framework);
    // Restoring it runs code, and other packages are not meant.
    assert!(!is_mild(class("sympy.functions.elementary.trigonometric", "sin.__new__")));
    assert!(!is_mild(class("mycompany.models", "Result.__new__")));
    assert!(!is_mild(class("scipy.stats._stats_py", "KstestResult.__new__.__call__")));
    assert!(!is_mild(class("subprocess", "Popen.__new__")));
}

#[test]
fn a_function_is_not_known_because_its_package_is() {
    let table = GlobalTable::shipped();
    for (module, name) in [
        ("sklearn.utils", "shuffle"),
        ("numpy", "genfromtxt"),
        ("transformers", "set_seed"),
        ("torch.nn.functional", "handle_torch_function"),
        ("spacy.util", "minibatch"),
        ("scipy.stats", "fit"),
        ("networkx", "compose"),
    ] {
        let entry = table.judge(module, name, 4);
        assert!(!is_mild(entry.class), "{module} {name} is {:?} by {}", entry.class, entry.set);
    }
}

#[test]
fn a_function_of_cython_is_judged_by_its_source() {
    let table = GlobalTable::shipped();
    let class = |module, name| table.judge_use(module, name, 4, Use::Called).class;
    assert_eq!(class("pyarrow.lib", "type_for_alias"), Class::Framework);
    assert_eq!(class("preshed.bloom", "unpickle_bloom"), Class::Framework);
    assert!(!is_mild(class("pyarrow._hdfs", "HadoopFileSystem._reconstruct")));
    // Nothing that restores an object names this one.
    assert!(!is_mild(class("gensim._matutils", "digamma")));
}

#[test]
fn a_name_of_a_later_release_may_be_stored_but_not_called() {
    let table = GlobalTable::shipped();
    let class = |usage| table.judge_use("sklearn.linear_model._robust", "_RegressorOfTomorrow", 4, usage).class;
    assert_eq!(class(Use::Instantiated), Class::Framework);
    assert_eq!(class(Use::Referenced), Class::Framework);
    assert_eq!(class(Use::Called), Class::Unknown);
    // Functions and classes of other packages are not meant.
    assert_eq!(table.judge_use("sklearn.linear_model", "fit_all", 4, Use::Referenced).class, Class::Unknown);
    assert_eq!(table.judge_use("sklearning", "Regressor", 4, Use::Instantiated).class, Class::Unknown);
    assert_eq!(table.judge_use("sklearn.tree", "Popen", 4, Use::Instantiated).class, Class::Unknown);
}

#[test]
fn makers_of_cython_go_with_their_classes() {
    let table = GlobalTable::shipped();
    let class = |module, name| table.judge(module, name, 4).class;
    assert_eq!(class("sklearn._loss._loss", "__pyx_unpickle_CyHalfBinomialLoss"), Class::Framework);
    assert_eq!(class("sklearn.linear_model._base", "__pyx_unpickle_LinearRegression"), Class::Unknown);
    assert_eq!(class("sklearn._loss._loss", "__pyx_unpickle_"), Class::Unknown);
}
