//! Stored code: what modules that real interpreters compiled reach, whatever way they take to it.

use std::collections::BTreeSet;

use modelaudit::report::Status;
use modelaudit::scan::{self, Recorder};

use crate::fixtures::{families, open, options};

/// The names that a module calls.
fn called(file: &str) -> BTreeSet<String> {
    let family = families().into_iter().find(|family| family.name == "real").unwrap();
    let fixture = family.fixtures.iter().find(|fixture| fixture.file == file).unwrap();
    let mut facts = Recorder::default();
    let coverage = scan::facts(&options(), &open(&family, fixture), &mut facts);
    assert_eq!(coverage.status, Status::Complete, "{file}: {:?}", coverage.reason);
    let calls = facts.facts.iter().filter(|fact| fact.fact == "code-reference" && fact.fields["usage"] == "calls");
    calls
        .map(|fact| {
            format!("{}.{}", fact.fields["module"].as_str().unwrap(), fact.fields["function"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn every_way_to_a_name_is_followed_in_every_version() {
    let mut missed = Vec::new();
    for version in ["2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"] {
        for (suffix, module, ways) in [("", "os", WAYS), ("_benign", "math", HARMLESS)] {
            let called = called(&format!("code_{version}{suffix}.pyc"));
            let ways = ways.split_whitespace().map(|way| format!("{module}.{way}"));
            missed.extend(ways.filter(|way| !called.contains(way)).map(|way| format!("{version}: {way}")));
            let runner = if version == "2.7" { "builtins.eval" } else { "builtins.exec" };
            assert_eq!(called.contains(runner), suffix.is_empty(), "{version}{suffix}: {runner}");
            assert!(!called.iter().any(|name| name.starts_with("os.")) || suffix.is_empty(), "{version}: {called:?}");
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}

/// In the order of `fixtures/gen/real/code_modules.py`, without the first, which is only named.
const WAYS: &str = "popen remove rmdir unlink rename chmod chown kill killpg fork forkpty execv execve spawnv spawnve \
                    execl execlp spawnl spawnlp putenv unsetenv symlink link truncate removedirs renames setuid chroot";
const HARMLESS: &str = "ceil sqrt exp log log10 sin cos tan asin acos atan sinh cosh tanh degrees radians fabs trunc \
                        gamma erf erfc lgamma expm1 log1p asinh acosh atanh factorial";
