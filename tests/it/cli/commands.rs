//! The commands beside `scan` and `render`.

use modelaudit::formats::FORMATS;
use modelaudit::rules::RuleSet;

use super::{EVIL, Folder, PLAIN, Run, SAFE};

fn inspect(fixture: &str, name: &str) -> super::Ran {
    Folder::new().with(fixture, name).run("inspect").arg(name).run()
}

#[test]
fn inspect_shows_the_program_inside_a_checkpoint() {
    insta::assert_snapshot!(inspect(EVIL, "model.pt").exits(0).stdout);
}

#[test]
fn inspect_shows_tensors_and_their_program() {
    insta::assert_snapshot!(inspect(PLAIN, "model.pt").exits(0).stdout);
}

#[test]
fn inspect_shows_safetensors() {
    insta::assert_snapshot!(inspect(SAFE, "model.safetensors").exits(0).stdout);
}

#[test]
fn inspect_shows_nested_archives() {
    insta::assert_snapshot!(inspect("zip/nested.zip", "models.zip").exits(0).stdout);
}

#[test]
fn inspect_shows_a_pickle() {
    let folder = Folder::new().write("a.pkl", b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04\x1b[2J\x85R.");
    insta::assert_snapshot!(folder.run("inspect").arg("a.pkl").run().exits(0).stdout);
}

#[test]
fn inspect_says_how_far_it_came() {
    inspect("torch/cut.pt", "model.pt").exits(2).says("read:   in part").says("broken");
    let folder = Folder::new().write("notes.txt", "text").write("empty.pt", "");
    folder.run("inspect").arg("notes.txt").run().exits(0).says("none that is known").says("not a known model format");
    folder.run("inspect").arg("empty.pt").run().exits(0).says("size:   0 bytes");
    folder.run("inspect").arg(".").run().exits(2).warns("not a regular file");
    folder.run("inspect").arg("absent").run().exits(2).warns("cannot open absent");
    folder.run("inspect").run().exits(2).warns("<FILE>");
}

#[test]
fn rules_are_listed_and_explained() {
    let all = RuleSet::shipped().rules();
    let list = Run::new("rules").run().exits(0).stdout;
    assert_eq!(list.lines().filter(|line| line.starts_with('S')).count(), all.len());
    let listed = Run::new("rules").args(["-f", "json"]).run().exits(0).json();
    assert_eq!(listed.as_array().unwrap().len(), all.len());
    Run::new("rules").args(["-f", "markdown"]).run().exits(0).says("<a id=\"s101\"></a>");
    let one = Run::new("rules").arg("S101").run().exits(0).says("S101 os-module-import").says("What to do").stdout;
    for name in ["s101", "os-module-import"] {
        assert_eq!(Run::new("rules").arg(name).run().exits(0).stdout, one);
    }
    Run::new("rules").arg("S31").run().exits(2).warns("no rule has the code or name 'S31'");
    Run::new("rules").arg("import").run().exits(2).warns("S101 os-module-import");
}

#[test]
fn formats_are_listed() {
    let text = Run::new("formats").run().exits(0);
    for format in FORMATS {
        assert!(text.stdout.contains(format.name) && text.stdout.lines().any(|line| line.starts_with(format.name)));
    }
    let listed = Run::new("formats").args(["-f", "json"]).run().exits(0).json();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|format| format["name"].as_str().unwrap()).collect();
    assert_eq!(names, FORMATS.iter().map(|format| format.name).collect::<Vec<_>>());
}

#[test]
fn the_doctor_examines() {
    let folder = Folder::new();
    let ran = folder.run("doctor").run().exits(0).says("modelaudit [VERSION]").says("everything works");
    for name in ["formats", "rules", "configuration", "limits"] {
        assert!(ran.stdout.contains(&format!("ok      {name}")), "{name}: {}", ran.stdout);
    }
    folder.run("doctor").arg("--show-failed").run().exits(0).omits("ok ").says("everything works");
    let folder = Folder::new().write(".modelaudit.toml", "fail_on = 3\n");
    let ran = folder.run("doctor").arg("--show-failed").run().exits(2);
    ran.says("FAILED  configuration").says(".modelaudit.toml:1:").says("checks failed").omits("ok ");
}

#[test]
fn configuration_is_written_checked_and_shown() {
    let folder = Folder::new();
    folder.run("config").arg("check").run().exits(0).says("no configuration file was found");
    folder.run("config").arg("init").run().exits(0).says(".modelaudit.toml: written");
    folder.run("config").arg("init").run().exits(2).warns("--force");
    folder.run("config").args(["init", "--force"]).run().exits(0);
    let printed = folder.run("config").args(["init", "-"]).run().exits(0).stdout;
    assert_eq!(printed, folder.read(".modelaudit.toml").replace(env!("CARGO_PKG_VERSION"), "[VERSION]"));
    folder.run("config").arg("check").run().exits(0).says(".modelaudit.toml: no mistakes");
    for file in [&["--config", "other.toml"][..], &["other.toml"]] {
        folder.run("config").arg("check").args(file).run().exits(2).warns("other.toml");
    }
    folder.run("config").args(["check", "--config", ".modelaudit.toml"]).run().exits(0).says("no mistakes");
    folder.run("config").args(["check", "--config", "a", "b"]).run().exits(2).warns("cannot be used with");
    let folder = folder.write(".modelaudit.toml", "fail_on = \"high\"\n[severity]\nS101 = \"low\"\n");
    let shown = folder.run("config").args(["show", "--strict"]).env("MODELAUDIT_TIMEOUT", "5").run().exits(0);
    let shown =
        shown.says("# configuration file: .modelaudit.toml").says("fail_on = \"high\"").says("# .modelaudit.toml:1");
    let shown = shown.says("strict = true").says("timeout = 5").says("MODELAUDIT_TIMEOUT").says("\"S101\" = \"low\"");
    // What is shown is a configuration again.
    let again = Folder::new().write("again.toml", &shown.stdout);
    again.run("config").args(["check", "again.toml"]).run().exits(0).says("again.toml: no mistakes");
    let folder = folder.write("bad.toml", "fail_on = \"high\"\nfali_on = 1\n");
    folder.run("config").args(["check", "bad.toml"]).run().exits(2).warns("bad.toml:2:1: unknown key `fali_on`");
    folder.run("config").args(["check", "absent.toml"]).run().exits(2).warns("absent.toml");
}

#[test]
fn shells_and_man_get_their_pages() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        Run::new("completions").arg(shell).run().exits(0).says("modelaudit").says("fail-on");
    }
    Run::new("completions").arg("tcsh").run().exits(2).warns("possible values");
    Run::new("man").run().exits(0).says(".TH modelaudit 1").says("\"modelaudit [VERSION]\"");
    Run::new("man").arg("scan").run().exits(0).says(".TH modelaudit-scan 1").says("fail\\-on");
    Run::new("man").arg("absent").run().exits(2).warns("no command is called 'absent'");
}

#[test]
fn help_and_version_are_no_failure() {
    Run::new("--version").run().exits(0).says("modelaudit [VERSION]\n");
    let ran = Run::new("--help").run().exits(0).says("Exit codes:");
    assert_eq!(ran.stderr, "");
    for command in ["scan", "render", "inspect", "rules", "formats", "doctor", "config", "completions", "man"] {
        assert!(ran.stdout.contains(&format!("\n  {command} ")), "{command}");
        Run::new(command).arg("--help").run().exits(0).says(&format!("Usage: modelaudit {command}"));
    }
}
