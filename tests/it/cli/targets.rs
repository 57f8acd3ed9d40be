//! What a scan looks at.

use serde_json::Value;

use super::{EVIL, Folder, PLAIN, SAFE, bytes_of, codes};

/// The files of a JSON report that were read.
fn files(report: &Value) -> Vec<&str> {
    let all = report["coverage"].as_array().unwrap().iter();
    all.filter(|file| file["status"] == "complete").map(|file| file["path"].as_str().unwrap()).collect()
}

fn models() -> Folder {
    let folder = Folder::new().with(EVIL, "models/evil.pt").with(PLAIN, "models/old/plain.pt");
    folder.with(SAFE, "safe.safetensors").write("README.md", "text").write("models/notes.txt", "text")
}

#[test]
fn standard_input_is_a_target() {
    let folder = Folder::new();
    folder.scan().arg("-").stdin(bytes_of(EVIL)).run().exits(1).says("<stdin>!/archive/data.pkl\n  critical S101");
    folder.scan().arg("-").stdin(bytes_of(SAFE)).run().exits(0).says("1 scanned, 192 B");
    folder.scan().args(["-", "--strict"]).stdin("plain text").run().exits(2).says("not a known model format");
    // The same bytes cannot be read twice.
    folder.scan().args(["-", "-"]).stdin(bytes_of(SAFE)).run().exits(0).says("1 scanned");
}

#[test]
fn a_folder_a_glob_and_nothing_mean_what_is_in_them() {
    let folder = models();
    let all = ["models/evil.pt", "models/old/plain.pt", "safe.safetensors"];
    assert_eq!(files(&folder.scan().args(["-f", "json"]).run().exits(1).json()), all);
    assert_eq!(files(&folder.scan().args(["-f", "json", "."]).run().exits(1).json()), all);
    assert_eq!(files(&folder.scan().args(["-f", "json", "models"]).run().exits(1).json()), all[..2]);
    assert_eq!(files(&folder.scan().args(["-f", "json", "models/**/*.pt"]).run().exits(1).json()), all[..2]);
    assert_eq!(files(&folder.scan().args(["-f", "json", "models/*.pt"]).run().exits(1).json()), all[..1]);
    folder.scan().arg("models/*.onnx").run().exits(2).says("models/*.onnx: no file matches");
    // One file named twice is one file.
    assert_eq!(files(&folder.scan().args(["-f", "json", "models/evil.pt", "models"]).run().exits(1).json()), all[..2]);
}

#[test]
fn files_are_included_and_excluded_by_glob() {
    let folder = models();
    let scan = |args: &[&str]| folder.scan().args(["-f", "json"]).args(args).run().json();
    assert_eq!(files(&scan(&["--include", "*.safetensors"])), ["safe.safetensors"]);
    assert_eq!(files(&scan(&["--exclude", "models/**"])), ["safe.safetensors"]);
    assert_eq!(files(&scan(&["--include", "models/**", "--exclude", "evil.*"])), ["models/old/plain.pt"]);
    folder.scan().args(["-v", "--exclude", "models/**"]).run().exits(0).says("models/evil.pt: excluded");
    folder.scan().args(["--exclude", "["]).run().exits(2).warns("[");
}

#[test]
fn nothing_hides_behind_an_ignore_file() {
    let folder = models().write(".ignore", "evil.pt\n").write(".gitignore", "*.pt\n");
    folder.scan().run().exits(1);
    // A store of version control is left out, a folder that only has its name is not.
    std::fs::remove_file(folder.file("models/evil.pt")).unwrap();
    let folder = folder.with(EVIL, ".git/evil.pt");
    folder.scan().run().exits(1).says(".git/evil.pt");
    let folder =
        folder.write(".git/HEAD", "ref: refs/heads/main\n").write(".git/objects/a", "").write(".git/refs/a", "");
    folder.scan().run().exits(0);
    folder.scan().arg("--no-ignore").run().exits(1);
    folder.scan().arg(".git/evil.pt").run().exits(1);
}

#[test]
fn limits_skip_visibly() {
    let folder = models();
    let ran = folder.scan().args(["--max-file-size", "100B", "safe.safetensors"]).run().exits(0);
    ran.says("larger than the limit for one file (100 bytes) (1 safetensors)");
    folder.scan().args(["--max-file-size", "100", "--strict"]).run().exits(2);
    folder.scan().args(["--max-file-size", "1 GiB"]).run().exits(1);
    folder.scan().args(["--max-file-size", "1XB"]).run().exits(2).warns("not a size");
    let ran = folder.scan().args(["--max-total-size", "200", "--strict", "-v"]).run();
    ran.exits(2).says("skipped");
    folder.scan().args(["--timeout", "soon"]).run().exits(2).warns("--timeout");
    folder.scan().args(["--jobs", "1", "--timeout", "60"]).run().exits(1);
}

#[test]
fn limits_on_archives_are_flags_and_settings() {
    let folder = Folder::new().with("layers/payload-5.zip", "five.zip").with("codec/zeros.pkl.gz", "zeros.pkl.gz");
    folder.scan().args(["five.zip"]).run().exits(1).says("S101");
    folder.scan().args(["--max-depth", "4", "--strict", "five.zip"]).run().exits(2).says("levels of nesting (limit 4)");
    folder.scan().args(["--max-members", "3", "--strict", "five.zip"]).run().exits(2).says("archive members (limit 3)");
    folder.scan().args(["--max-decoded-size", "1KB", "--strict", "zeros.pkl.gz"]).run().exits(2).says("(limit 1000)");
    folder.scan().args(["--max-depth", "0", "five.zip"]).run().exits(2).warns("write 1 to 100");
    let folder = folder.write(".modelaudit.toml", "max_depth = 4\nmax_members = 1000\nmax_decoded_size = '2GiB'\n");
    folder.scan().args(["--strict", "five.zip"]).run().exits(2).says("levels of nesting (limit 4)");
    folder.scan().args(["--max-depth", "5", "five.zip"]).run().exits(1).says("S101");
    let folder = folder.write(".modelaudit.toml", "max_depth = '4'\n");
    folder.scan().args(["five.zip"]).run().exits(2).warns("an integer");
}

#[test]
fn payloads_can_be_left_alone() {
    let folder = Folder::new().with("executable/elf-carved.safetensors", "a.safetensors");
    let whole = folder.scan().args(["-f", "json", "."]).run().exits(1).json();
    assert!(whole["assets"][0]["sha256"].is_string());
    let structure = folder.scan().args(["-f", "json", "--skip-payload", "."]).run().exits(0).json();
    assert!(structure["assets"][0]["sha256"].is_null());
    assert!(codes(&whole).len() > codes(&structure).len());
}

#[test]
fn pointers_without_objects_are_told() {
    let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n");
    let folder = Folder::new().write("model.safetensors", pointer);
    let ran = folder.scan().arg(".").run().exits(0);
    ran.says("S914 unresolved-pointer").says("git-lfs pointer, its object is not on this machine (1 safetensors)");
    folder.scan().args([".", "--strict"]).run().exits(2);
    folder.scan().args([".", "--fail-on", "low"]).run().exits(1);
}

#[test]
fn an_empty_file_holds_nothing() {
    let folder = Folder::new().write("empty.pt", "").write("empty.safetensors", "");
    let report = folder.scan().args(["-f", "json", "."]).run().exits(0).json();
    assert_eq!(codes(&report), [""; 0]);
    for file in report["coverage"].as_array().unwrap() {
        assert_eq!((file["status"].as_str(), file["reason"].as_str()), (Some("skipped"), Some("the file is empty")));
    }
    folder.scan().args([".", "--strict"]).run().exits(2);
}

#[test]
fn remote_addresses_are_refused_in_words() {
    let folder = Folder::new();
    for address in ["hf://a/b", "https://example.org/model.pt", "s3://bucket/model.pt", "models:/name/1"] {
        folder.scan().arg(address).run().exits(2).says("no remote addresses");
    }
    folder.scan().args(["--huggingface", "a/b"]).run().exits(2).says("hf://a/b: this version scans no");
}

#[test]
#[cfg(unix)]
fn hostile_names_reach_no_output_raw() {
    use super::codes::FORMATS;
    let names = ["a\u{1b}[2Jb.pt", "new\nline.pt", "rtl\u{202e}tp.pt", "<img src=x>.pt", "a|b`c.pt", "::error::x.pt"];
    let folder = names.iter().fold(Folder::new(), |folder, name| folder.with(EVIL, name));
    for format in FORMATS {
        let ran = folder.scan().args(["-f", format, "."]).run().exits(1);
        let raw = |text: &str| text.chars().any(|c| c != '\n' && modelaudit::escape::is_hidden(c));
        assert!(!raw(&ran.stdout) && !raw(&ran.stderr), "{format}: {:?}", ran.stdout);
        assert!(!ran.stdout.contains("new\nline.pt"), "{format}");
    }
    let report = folder.scan().args(["-f", "json", "."]).run().json();
    assert_eq!(files(&report).len(), names.len());
    for name in names {
        folder.scan().arg(format!("./{name}")).run().exits(1);
        folder.scan().arg(format!("absent/{name}")).run().exits(2);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn names_that_are_not_unicode_are_read_and_shown() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new();
    let name = std::ffi::OsStr::from_bytes(b"bad\xff\xfename.pt");
    std::fs::write(folder.path().join(name), bytes_of(EVIL)).unwrap();
    folder.scan().arg(".").run().exits(1).says("name.pt!/archive/data.pkl");
    folder.scan().arg(name).run().exits(2).warns("not Unicode");
}

#[test]
fn a_file_that_is_named_needs_no_include_and_respects_exclude() {
    let folder = models();
    let scan = |args: &[&str]| folder.scan().args(["-f", "json"]).args(args).run().json();
    let (evil, include) = ("models/evil.pt", ["--include", "*.safetensors"]);
    assert_eq!(files(&scan(&[&include[..], &[evil]].concat())), [evil], "as in ripgrep and ruff");
    assert_eq!(files(&scan(&[&include[..], &[evil, "."]].concat())), [evil, "safe.safetensors"]);
    assert_eq!(files(&scan(&[&include[..], &["models/*.pt"]].concat())), [""; 0], "a pattern names no file");
    assert_eq!(files(&scan(&["--exclude", "*.pt", evil, "safe.safetensors"])), ["safe.safetensors"]);
}
