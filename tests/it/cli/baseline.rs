//! Baselines: findings that are accepted, and what becomes of the decisions.

use serde_json::Value;

use super::codes::FORMATS;
use super::{EVIL, Folder, PLAIN, Run, SAFE, bytes_of};
use crate::target::scratch::Scratch;

const FILE: &str = "modelaudit-baseline.toml";

/// A pickle that calls `module.system`.
fn calls(module: &str) -> Vec<u8> {
    format!("\u{80}\u{2}c{module}\nsystem\nX\u{5}\0\0\0# yes\u{85}R.").chars().map(|c| c as u8).collect()
}

fn folder() -> Folder {
    Folder::new().with(EVIL, "models/evil.pt").with(PLAIN, "models/plain.pt").write("other.pkl", calls("os"))
}

fn create(folder: &Folder, args: &[&str]) -> String {
    folder.run("baseline").args(["create", "--reason", "ours"]).args(args).run().exits(0);
    folder.read(FILE)
}

fn accepted(folder: &Folder) -> Run {
    folder.scan().args(["--baseline", FILE])
}

#[test]
fn a_baseline_reads_well() {
    let folder = folder();
    insta::assert_snapshot!(create(&folder, &["--owner", "ml-platform", "--expires", "2999-01-31", "--pin"]));
}

#[test]
fn what_is_accepted_stays_visible_and_does_not_count() {
    let folder = folder();
    folder.scan().run().exits(1);
    create(&folder, &[]);
    accepted(&folder).run().exits(0).says("2 suppressed");
    let report = accepted(&folder).args(["-f", "json"]).run().exits(0).json();
    let marks: Vec<&Value> = report["issues"].as_array().unwrap().iter().map(|one| &one["suppression"]).collect();
    assert!(marks.iter().all(|mark| mark["source"] == "baseline" && mark["reason"] == "ours"), "{marks:?}");
    assert_eq!(report["suppressions"], serde_json::json!([]));
    accepted(&folder).args(["-f", "markdown"]).run().exits(0).says("2 suppressed findings").says("`ours`");
    accepted(&folder).args(["-f", "junit"]).run().exits(0).says("suppressed: ours");
    let results = |args: &[&str]| {
        let log = accepted(&folder).args(["-f", "sarif"]).args(args).run().exits(0).json();
        log["runs"][0]["results"].as_array().unwrap().len()
    };
    assert_eq!((results(&[]), results(&["--sarif-include-suppressed"])), (0, 2));
    for format in ["gitlab-sast", "gitlab-codequality", "github"] {
        accepted(&folder).args(["-f", format]).run().exits(0).omits("S101");
    }
    // Another call under the same rule is another finding.
    let folder = folder.write("other.pkl", b"\x80\x02cos\npopen\nX\x05\0\0\0# yes\x85R.");
    accepted(&folder).run().exits(1).says("os.popen").says("matched nothing: `modelaudit baseline update` removes it");
}

#[test]
fn an_accepted_finding_survives_that_its_file_is_written_again() {
    let folder = folder();
    create(&folder, &[]);
    // The same call of another protocol, behind data, as Python names it elsewhere.
    let other =
        b"\x80\x04\x95\x20\0\0\0\0\0\0\0]\x94K\x01a0\x8c\x05posix\x8c\x06system\x93\x8c\x05# yes\x85R.".to_vec();
    let folder = folder.write("other.pkl", other);
    accepted(&folder).run().exits(0).says("2 suppressed");
    let folder = folder.write("other.pkl", calls("nt"));
    accepted(&folder).run().exits(0);
}

#[test]
fn an_accepted_call_with_another_payload_is_another_finding() {
    let folder = folder();
    create(&folder, &[]);
    let mut other = calls("os");
    let at = other.windows(5).position(|text| text == b"# yes").unwrap();
    other.splice(at..at + 5, *b"# no!");
    let folder = folder.write("other.pkl", other);
    accepted(&folder).run().exits(1).says("other.pkl");
    folder.run("baseline").arg("check").run().exits(1).says("S101 in other.pkl: matches nothing");
}

#[cfg(unix)]
#[test]
fn names_with_odd_bytes_are_accepted_too() {
    let folder = Folder::new().write(r"a\b.pkl", calls("os"));
    create(&folder, &[]);
    accepted(&folder).run().exits(0).says("1 suppressed");
}

#[test]
fn entries_of_removed_files_come_to_light_in_the_folders_that_are_checked() {
    let folder = folder().write("models/gone.pkl", calls("os"));
    create(&folder, &[]);
    std::fs::remove_file(folder.file("models/gone.pkl")).unwrap();
    std::fs::remove_file(folder.file("other.pkl")).unwrap();
    let check = |target: &str| folder.run("baseline").args(["check", target]).run();
    check("models").exits(1).says("models/gone.pkl: matches nothing").says("1 without effect");
    check(".").exits(1).says("other.pkl: matches nothing").says("2 without effect");
    check("models/evil.pt").exits(0);
    folder.run("baseline").args(["update", "./models/"]).run().exits(0).says("2 entries, 0 new, 1 removed");
    folder.run("baseline").args(["update", "."]).run().exits(0).says("1 entry, 0 new, 1 removed");
}

#[test]
fn a_pinned_entry_holds_for_one_content() {
    let folder = folder();
    create(&folder, &["--pin"]);
    accepted(&folder).run().exits(0);
    let mut longer = calls("os");
    longer.splice(2..2, *b"N0");
    let folder = folder.write("other.pkl", longer);
    accepted(&folder).run().exits(1).says("other.pkl");
    let ran = folder.run("baseline").args(["create", "--reason", "x", "--pin", "--skip-payload", "--force"]).run();
    ran.exits(2).warns("it cannot be pinned");
}

#[test]
fn stale_entries_come_to_light_and_go() {
    let folder = folder();
    let before = create(&folder, &[]);
    folder.run("baseline").arg("check").run().exits(0).says("2 entries, 0 without effect");
    folder.run("baseline").args(["update"]).run().exits(0).says("2 entries, 0 new, 0 removed");
    assert_eq!(folder.read(FILE), before, "nothing to do changes nothing");

    let folder = folder.write("other.pkl", b"N.").write("late.pkl", calls("os"));
    folder.run("baseline").arg("check").run().exits(1).says("S101 in other.pkl: matches nothing");
    let ran = folder.run("baseline").args(["update"]).run().exits(0);
    ran.says("1 entry, 0 new, 1 removed").says("1 finding not in the baseline");
    let shorter = folder.read(FILE);
    assert!(before.contains("other.pkl") && !shorter.contains("other.pkl") && !shorter.contains("late.pkl"));
    folder.run("baseline").args(["update", "--reason", "reviewed"]).run().exits(0).says("2 entries, 1 new, 0 removed");
    let longer = folder.read(FILE);
    assert!(longer.contains("reason = \"ours\"") && longer.contains("reason = \"reviewed\""), "{longer}");
    assert!(longer.starts_with(shorter.split("\n[[").next().unwrap()));
    accepted(&folder).run().exits(0);
    // A file that was not looked at says nothing about its entries.
    folder.run("baseline").args(["check", "models"]).run().exits(0);
    folder.run("baseline").args(["update", "models"]).run().exits(0).says("2 entries, 0 new, 0 removed");
    let folder = folder.write("late.pkl", b"N.");
    folder.run("baseline").args(["check", "late.pkl"]).run().exits(1);
}

#[test]
fn days_end_decisions() {
    let folder = folder();
    let text = create(&folder, &["--expires", "2999-01-31"]);
    let soon = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_hours(72)).unwrap();
    let soon = soon.to_zoned(jiff::tz::TimeZone::UTC).date();
    let folder = folder.write(FILE, text.replace("2999-01-31", &soon.to_string()));
    folder.run("baseline").arg("check").run().exits(0).says(&format!("expires on {soon}"));
    accepted(&folder).run().exits(0).says(&format!("ends on {soon}: its findings will count again"));
    let folder = folder.write(FILE, text.replace("2999-01-31", "2020-01-31"));
    folder.run("baseline").arg("check").run().exits(1).says("expired on 2020-01-31");
    accepted(&folder).run().exits(1).says("ended on 2020-01-31: its findings count again");
    let report = accepted(&folder).args(["-f", "json"]).run().exits(1).json();
    let states = report["suppressions"].as_array().unwrap();
    assert_eq!(states.len(), 2);
    assert!(states.iter().all(|one| one["status"] == "expired" && one["findings"] == 1), "{states:?}");
    // Kept, for the owner and the reason are worth more than a clean list, until somebody decides again.
    folder.run("baseline").arg("update").run().exits(0).says("2 entries, 0 new, 0 removed");
    folder.run("baseline").args(["update", "--reason", "again"]).run().exits(0).says("2 entries, 2 new, 0 removed");
    accepted(&folder).run().exits(0);
    let past = folder.run("baseline").args(["update", "--reason", "x", "--expires", "2020-01-31"]).run();
    past.exits(2).warns("2020-01-31 is over");
}

#[test]
fn a_baseline_is_checked_like_a_configuration() {
    let folder = folder();
    accepted(&folder).run().exits(2).warns("`modelaudit baseline create` makes a baseline");
    folder.run("baseline").arg("check").run().exits(2).warns(FILE);
    folder.run("baseline").arg("create").run().exits(2).warns("give it with --reason");
    folder.run("baseline").args(["create", "--owner", "me"]).run().exits(2).warns("--reason");
    create(&folder, &[]);
    folder.run("baseline").args(["create", "--reason", "x"]).run().exits(2).warns("--force replaces it");
    let wrong = |text: &str| accepted(&Folder::new().write(FILE, text)).run().exits(2).stderr;
    assert!(wrong("fail_on = 'never'").contains("unknown key `fail_on` in a baseline"));
    assert!(wrong("version = 2").contains("version 1 of a baseline"));
    assert!(wrong("[[suppress]]\nreason = 'x'").contains("a suppression needs"));
    assert!(wrong("[[suppress]]\nfingerprint = 'x'").contains("not a fingerprint"));
    assert!(wrong("[[suppress]]\nrule = 'S9999x'").contains("no rule is called"));
    // What could not be read may hold more.
    let cut = bytes_of(SAFE);
    let folder = folder.write("cut.safetensors", &cut[..cut.len() - 8]);
    let ran = folder.run("baseline").args(["create", "--reason", "x", "--force"]).run().exits(2);
    ran.warns("cut.safetensors").says("accepted");
}

#[test]
fn an_entry_moves_with_a_renamed_file() {
    let scratch = Scratch::repository();
    scratch.write("old.pkl", calls("os"));
    // Unlike the other, so that git cannot take one for the other.
    let numbers = (0..200).flat_map(|number| [b'K', number]);
    let ours = b"\x80\x02](".iter().copied().chain(numbers).chain(*b"e0cos\nsystem\nX\x01\0\0\0x\x85R.");
    scratch.write("tests/ours.pkl", ours.collect::<Vec<u8>>());
    scratch.commit("base");
    let scan = |args: &[&str]| Run::new("scan").dir(&scratch.dir).args(args).run();
    Run::new("baseline").dir(&scratch.dir).args(["create", "--reason", "ours", "old.pkl"]).run().exits(0);
    scratch.write(".modelaudit.toml", "[ignore]\n'tests/**' = ['S101']\n");
    scratch.git(&["checkout", "-q", "-b", "feature"]);
    scratch.git(&["mv", "old.pkl", "new.pkl"]);
    scratch.git(&["mv", "tests/ours.pkl", "moved.pkl"]);
    scratch.commit("moves");
    let report = scan(&["--diff", "main", "--baseline", FILE, "-f", "json"]).json();
    let state = |path: &str| {
        let issues = report["issues"].as_array().unwrap();
        let one = issues.iter().find(|one| one["path"] == path && one["rule_code"] == "S101").unwrap();
        (one["state"].as_str().unwrap().to_owned(), one["suppression"]["source"].as_str().map(str::to_owned))
    };
    assert_eq!(state("new.pkl"), ("unchanged".into(), Some("baseline".into())));
    // A glob is about a folder, and this file has left it.
    assert_eq!(state("moved.pkl"), ("unchanged".into(), None));
}

#[test]
fn excluded_files_are_not_missing() {
    let folder = Folder::new().with(SAFE, "safe.safetensors").write("third/model.onnx", "x").write("one.onnx", "x");
    folder.scan().args([".", "--strict"]).run().exits(2);
    let excluded = ["--exclude", "third", "--exclude", "*.onnx"];
    folder.scan().args([".", "--strict"]).args(excluded).run().exits(0).says("not read completely");
    folder.scan().args([".", "--strict", "--exclude", "third"]).run().exits(2);
}

#[test]
fn equal_input_gives_equal_bytes_in_every_format() {
    let folder = folder().with(SAFE, "safe.safetensors").write("model.onnx", "no model");
    create(&folder, &["models"]);
    for format in FORMATS {
        let run = || accepted(&folder).args(["-f", format, "--jobs", "4"]).run().exits(1).stdout;
        let first = run();
        assert_eq!(first, run(), "{format}");
        assert!(!first.contains(&*folder.path().to_string_lossy()), "{format}");
    }
}

#[test]
fn a_saved_report_becomes_every_file() {
    let (folder, out) = (folder(), Folder::new());
    let to = |name: &str| out.file(name).into_os_string();
    folder.scan().arg("--json").arg(to("report.json")).run().exits(1);
    let files = ["--gitlab-sast", "--gitlab-codequality", "--junit", "--sarif", "--sbom", "--markdown"];
    let render = out.run("render").args(["--from", "report.json", "-f", "github", "--reproducible"]);
    let render = files.iter().fold(render, |render, flag| render.arg(flag).arg(to(&format!("render{flag}"))));
    render.run().exits(1).says("::error file=");
    for flag in files {
        folder.scan().arg(flag).arg(to("scan")).run().exits(1);
        assert!(out.read(&format!("render{flag}")) == out.read("scan"), "{flag}");
    }
}

/// A pickle that calls `os.system` with each command, in the given way of writing strings.
fn commands(protocol: u8, commands: &[String]) -> Vec<u8> {
    let mut bytes = if protocol == 0 { Vec::new() } else { vec![0x80, protocol] };
    for command in commands {
        bytes.extend(b"cos\nsystem\n");
        if protocol == 0 {
            bytes.extend(format!("(V{command}\nt").into_bytes());
        } else {
            bytes.push(b'X');
            bytes.extend(u32::try_from(command.len()).unwrap().to_le_bytes());
            bytes.extend(command.as_bytes());
            bytes.push(0x85);
        }
        bytes.extend(b"R0");
    }
    bytes.extend(b"N.");
    bytes
}

#[test]
fn an_accepted_call_is_accepted_with_all_that_it_is_given() {
    let long = |end: &str| format!("echo {} {end}", "x".repeat(100_000));
    let folder = Folder::new().write("other.pkl", commands(2, &[long("a")]));
    create(&folder, &[]);
    accepted(&folder).run().exits(0).says("1 suppressed");
    // Written again, it is the same call; and it stays one, however often it is made.
    for bytes in [commands(0, &[long("a")]), commands(2, &[long("a"), long("a")])] {
        std::fs::write(folder.file("other.pkl"), bytes).unwrap();
        accepted(&folder).run().exits(0);
    }
    // What differs behind what is shown, and what comes after it.
    for other in [vec![long("b")], vec![long("a"), "# two".to_owned()], vec!["# one".to_owned(), long("a")]] {
        std::fs::write(folder.file("other.pkl"), commands(2, &other)).unwrap();
        accepted(&folder).run().exits(1).says("other.pkl");
    }
}
