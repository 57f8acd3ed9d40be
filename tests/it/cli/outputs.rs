//! Reports: formats, files, streams.

use std::io::Read as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::codes::FORMATS;
use super::{EVIL, Folder, PLAIN, Ran, SAFE};
use crate::ci::pipeline::Remote;

fn models() -> Folder {
    let folder = Folder::new().with(EVIL, "evil.pt").with(PLAIN, "plain.pt").with(SAFE, "safe.safetensors");
    folder.with("safetensors/overlap.safetensors", "overlap.safetensors").write("model.onnx", "no model")
}

#[test]
fn findings_for_people() {
    insta::assert_snapshot!(models().scan().arg(".").run().exits(1).stdout);
}

#[test]
fn every_format_says_what_was_found() {
    let folder = models();
    for format in FORMATS {
        let ran = folder.scan().args(["-f", format, "."]).run().exits(1);
        assert!(ran.stdout.ends_with('\n'), "{format}");
        assert_eq!(ran.stderr, "", "{format}");
        // A bill of materials lists files; the others also say what is wrong with them and what was not read.
        let marks: &[&str] = if format == "cyclonedx" { &["evil.pt"] } else { &["evil.pt", "S101", "onnx"] };
        for mark in marks {
            assert!(ran.stdout.contains(mark), "{format}: {mark}");
        }
        let markers = [("json", "schema_version"), ("sarif", "sarif-schema-2.1.0"), ("cyclonedx", "CycloneDX")];
        if let Some((_, marker)) = markers.iter().find(|(name, _)| *name == format) {
            assert!(ran.json().is_object() && ran.stdout.contains(marker), "{format}");
        }
    }
}

#[test]
fn a_file_has_what_standard_output_would_have() {
    let folder = models();
    for format in FORMATS {
        let printed = folder.scan().args(["-f", format, "."]).run().exits(1).stdout;
        // Twice is a slip.
        folder.scan().args(["-o", "a", "-o", "b"]).run().exits(2).warns("cannot be used multiple times");
        let elsewhere = Folder::new();
        let to = elsewhere.file("report");
        let ran = folder.scan().args(["-f", format, "."]).arg("-o").arg(&to).run().exits(1);
        assert_eq!(ran.stdout, "", "{format}");
        assert_eq!(elsewhere.read("report").replace(env!("CARGO_PKG_VERSION"), "[VERSION]"), printed, "{format}");
    }
}

#[test]
fn one_run_writes_many_reports() {
    let (folder, out) = (models(), Folder::new());
    let to = |name: &str| out.file(name).into_os_string();
    let ran = folder.scan().arg("--sarif").arg(to("a.sarif")).arg("--sbom").arg(to("b.json")).arg("--json");
    let ran = ran.arg(to("c.json")).arg("--markdown").arg(to("d.md")).arg("--sarif").arg(to("e.sarif"));
    let ran = ran.args(["--sbom-version", "1.5"]).run().exits(1).says("S101 os-module-import");
    assert_eq!(ran.stderr, "");
    let json = |name: &str| serde_json::from_str::<Value>(&out.read(name)).unwrap();
    assert_eq!(json("a.sarif")["version"], "2.1.0");
    assert_eq!(json("b.json")["specVersion"], "1.5");
    assert_eq!(json("c.json")["verdict"], "fail");
    assert!(out.read("d.md").contains("S101"));
    assert_eq!(out.read("a.sarif"), out.read("e.sarif"));
}

#[test]
fn a_report_that_cannot_be_written_is_an_error() {
    let folder = models();
    let ran = folder.scan().args(["safe.safetensors", "-o", "absent/report.txt"]).run().exits(2);
    ran.warns("absent/report.txt could not be written");
    // A finding that counts outweighs it, and the other reports are written.
    let ran = folder.scan().args(["evil.pt", "--sarif", ".", "--json", "x.json"]).run().exits(1);
    ran.warns("the report's path is a folder").says("S101");
    assert!(folder.read("x.json").contains("S101"));
}

#[test]
fn a_report_replaces_no_model_and_no_other_report() {
    let folder = models();
    for args in [["evil.pt", "-o", "evil.pt"], ["evil.pt", "--json", "./evil.pt"]] {
        folder.scan().args(args).run().exits(2).warns("is to be scanned");
    }
    folder.scan().arg("evil.pt").run().exits(1);
    for args in [["--json", "x", "--sarif", "./x"], ["--json", "x", "--output", "x"]] {
        folder.scan().arg("evil.pt").args(args).run().exits(2).warns("given for two reports");
        assert!(!folder.file("x").exists());
    }
    folder.scan().args(["evil.pt", "--json", "-", "-o", "x"]).run().exits(1);
}

#[test]
fn equal_input_gives_equal_bytes() {
    let (one, other) = (models(), models());
    for format in FORMATS {
        let first = one.scan().args(["-f", format, "."]).run();
        assert_eq!(first.stdout, one.scan().args(["-f", format, "."]).run().stdout, "{format}");
        assert_eq!(first.stdout, other.scan().args(["-f", format, "--jobs", "1", "."]).run().stdout, "{format}");
        assert!(!first.stdout.contains("[DIR]"), "{format}");
    }
    let report = one.run("scan").args(["-f", "json", "."]).run().json();
    assert!(report["start_time"].as_f64().unwrap() > 0.0);
}

#[test]
fn quiet_says_what_fails_and_verbose_says_all() {
    let folder = models();
    let quiet = folder.scan().args(["-q", "evil.pt", "model.onnx"]).run().exits(1);
    quiet.says("S101").omits("S913").omits("not read completely\n");
    assert_eq!(folder.scan().args(["-q", "safe.safetensors"]).run().exits(0).stdout, "");
    let verbose = folder.scan().args(["-v", "evil.pt", "model.onnx", "--suppress", "S913"]).run().exits(1);
    verbose.says("[suppressed]").says("suppressed by flag").says("model.onnx:");
    folder.scan().args(["-q", "-v", "."]).run().exits(2).warns("cannot be used with");
    folder.run("-q").args(["scan", "safe.safetensors"]).run().exits(0);
}

#[test]
fn colours_are_for_those_who_want_them() {
    let folder = models();
    let scan = |args: &[&str]| folder.scan().arg("evil.pt").args(args);
    let plain = scan(&[]).run();
    assert!(!plain.stdout.contains('\u{1b}'), "standard output is no terminal");
    assert_eq!(scan(&["--color", "never"]).run().stdout, plain.stdout);
    assert_eq!(scan(&["--color", "auto"]).env("NO_COLOR", "1").run().stdout, plain.stdout);
    let painted = scan(&["--color", "always"]).env("NO_COLOR", "1").run().stdout;
    assert!(painted.contains("\u{1b}["));
    assert_eq!(anstream::adapter::strip_str(&painted).to_string(), plain.stdout);
    folder.run("--color").args(["always", "rules", "S101"]).run().exits(0).says("\u{1b}[");
}

#[test]
fn a_reader_that_goes_away_changes_no_exit_code() {
    let folder = models();
    for (args, code) in [(["scan", "-f", "json", "."], 1), (["rules", "-f", "json", "--quiet"], 0)] {
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_modelaudit"));
        let command = command.args(args).current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(code), ""), "{args:?}");
    }
}

fn render(folder: &Folder, format: &str) -> Ran {
    folder.run("render").args(["--from", "report.json", "-f", format, "--reproducible"]).run()
}

#[test]
fn a_saved_report_is_printed_in_every_format() {
    let folder = models();
    let direct = FORMATS.map(|format| folder.scan().args(["-f", format, "."]).run());
    folder.scan().args(["-f", "json", ".", "-o", "report.json"]).run().exits(1);
    for (format, direct) in FORMATS.iter().zip(direct) {
        let again = render(&folder, format).exits(1);
        assert_eq!(again.stdout, direct.stdout, "{format}");
    }
    let piped = folder.run("render").args(["--from", "-", "-f", "text"]).stdin(folder.read("report.json"));
    piped.run().exits(1).says("S101");
    folder.run("render").args(["--from", "report.json", "-f", "markdown", "-o", "c.md"]).run().exits(1);
    assert!(folder.read("c.md").contains("S101"));
}

#[test]
fn a_report_that_was_tampered_with_is_refused_or_righted() {
    let folder = models();
    folder.scan().args(["-f", "json", "evil.pt", "-o", "report.json"]).run().exits(1);
    let original: Value = serde_json::from_str(&folder.read("report.json")).unwrap();
    let change = |change: &dyn Fn(&mut Value)| {
        let mut report = original.clone();
        change(&mut report);
        let folder = Folder::new().write("report.json", report.to_string());
        render(&folder, "markdown")
    };
    let refused: [&dyn Fn(&mut Value); 6] = [
        &|report| report["extra"] = 1.into(),
        &|report| report["schema_version"] = 2.into(),
        &|report| report["issues"][0]["severity"] = "fatal".into(),
        &|report| report["issues"][0]["fingerprint"] = "<script>".into(),
        &|report| report["issues"][0]["rule_code"] = "](http://evil.example)".into(),
        &|report| report["coverage"] = Value::Null,
    ];
    for (n, tamper) in refused.iter().enumerate() {
        let ran = change(tamper);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{n}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: cannot read the report report.json: "), "{n}: {}", ran.stderr);
    }
    // A verdict is worked out again, and words about rules are this build's.
    change(&|report| report["verdict"] = "pass".into()).exits(1);
    change(&|report| report["issues"][0]["why"] = "All is well.".into()).exits(1).omits("All is well.");
    let folder = Folder::new().write("report.json", "{}").write("cut.json", &original.to_string()[..500]);
    render(&folder, "text").exits(2).warns("not a report").warns("help:");
    folder.run("render").args(["--from", "absent.json", "-f", "text"]).run().exits(2).warns("absent.json");
    folder.run("render").args(["--from", "cut.json", "-f", "text"]).run().exits(2).warns("not a report");
}

#[test]
fn a_report_in_the_folder_is_no_part_of_what_is_scanned() {
    let folder = models();
    for format in FORMATS {
        for name in ["report", "report.json", "report.bin"] {
            let scan = || {
                let ran = folder.scan().args(["-f", format, "-o", name, "--json", "all.json", "."]).run().exits(1);
                (folder.read(name), folder.read("all.json"), ran.stderr)
            };
            assert_eq!(scan(), scan(), "{format} {name}");
            std::fs::remove_file(folder.file(name)).unwrap();
        }
    }
    // By another way there.
    let first = folder.scan().args(["-f", "json", "."]).run().exits(1).stdout;
    for path in [folder.file("report.json"), folder.file("./models/../report.json")] {
        std::fs::create_dir_all(folder.file("models")).unwrap();
        folder.scan().args(["-f", "json", "-o"]).arg(&path).arg(".").run().exits(1);
        assert_eq!(folder.read("report.json").replace(env!("CARGO_PKG_VERSION"), "[VERSION]"), first);
    }
    // What somebody put there for a report to cover is told.
    let folder = Folder::new().with(EVIL, "report.json");
    folder.scan().args(["-o", "report.json", "-f", "json", "."]).run().exits(1);
    assert!(folder.read("report.json").contains("S101"));
}

#[test]
fn two_runs_on_one_commit_write_the_same_bytes() {
    let remote = Remote::new();
    let flags = ["sarif", "sbom", "json", "markdown", "gitlab-sast", "gitlab-codequality", "junit"];
    for host in ["github", "gitlab"] {
        let run = |jobs: &str| {
            let out = Folder::new();
            let clone = remote.checkout("refs/pull/7/merge", 2);
            let clone = clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(true));
            let clone = clone.env("GITHUB_BASE_REF", "main").env("CI_PROJECT_DIR", out.path().to_string_lossy());
            let files = flags.map(|flag| format!("--{flag}={}", out.file(flag).display()));
            let mut args =
                vec!["--reproducible", "--mode", "full", "--jobs", jobs, "--host", host, "--event", "pull_request"];
            args.extend(files.iter().map(String::as_str));
            let told = clone.ci(&args).exits(1);
            let texts = flags.map(|flag| out.read(flag));
            let stderr = told.ran.stderr.replace(&*out.path().to_string_lossy(), "OUT");
            let outputs = told.outputs.replace(&*out.path().to_string_lossy(), "OUT");
            (texts, told.ran.stdout, stderr, told.summary, delimiters_aside(&outputs))
        };
        assert_eq!(run("1"), run("4"), "{host}");
    }
}

/// Outputs of a step without the random words around each.
fn delimiters_aside(outputs: &str) -> Vec<String> {
    let plain = |line: &str| line.split("<<").next().unwrap_or_default().to_owned();
    outputs
        .lines()
        .map(plain)
        .filter(|line| !line.starts_with("modelaudit-") && !line.starts_with("ghadelimiter"))
        .collect()
}
