//! Exit codes: 0 nothing, 1 findings, 2 the job could not be done, whatever the format.

use super::{EVIL, Folder, PLAIN, Run, SAFE, bytes_of};

/// The formats of `--format`.
pub(super) const FORMATS: [&str; 9] =
    ["text", "json", "sarif", "cyclonedx", "markdown", "gitlab-sast", "gitlab-codequality", "github", "junit"];

fn both() -> Folder {
    Folder::new().with(EVIL, "evil.pt").with(SAFE, "safe.safetensors").write("cut.safetensors", cut())
}

/// A file that promises more than it has.
fn cut() -> Vec<u8> {
    let bytes = bytes_of(SAFE);
    bytes[..bytes.len() - 8].to_vec()
}

#[test]
fn zero_is_clean_and_one_is_a_finding_in_every_format() {
    let folder = both();
    for format in FORMATS {
        folder.scan().args(["-f", format, "safe.safetensors"]).run().exits(0);
        folder.scan().args(["-f", format, "evil.pt"]).run().exits(1);
        folder.scan().args(["-f", format, "nothing.pt"]).run().exits(2);
    }
}

#[test]
fn a_benign_twin_is_clean() {
    let folder = Folder::new().with(PLAIN, "model.pt");
    folder.scan().arg("model.pt").run().exits(0).says("no findings");
}

#[test]
fn two_is_a_job_that_could_not_be_done() {
    let folder = both();
    folder.scan().arg("nothing.pt").run().exits(2).says("nothing.pt: no such file or folder");
    folder.scan().arg("").run().exits(2).warns("a value is required");
    folder.scan().arg("--bogus").run().exits(2).warns("unexpected argument '--bogus'");
    folder.scan().args(["--fail-on", "severe", "."]).run().exits(2).warns("possible values: critical");
    folder.scan().args(["--suppress", "S1", "."]).run().exits(2).warns("S1");
    folder.scan().args(["--staged", "--diff", "main"]).run().exits(2).warns("cannot be used with");
    folder.scan().args(["--config", "absent.toml", "."]).run().exits(2).warns("absent.toml");
}

#[test]
fn a_wrong_configuration_is_told_by_line() {
    let folder = both().write(".modelaudit.toml", "supress = [\"S101\"]\nfail_on = \"hihg\"\n");
    let ran = folder.scan().arg("safe.safetensors").run().exits(2);
    let ran = ran.warns(".modelaudit.toml:1:1: unknown key `supress`").warns("did you mean `suppress`?");
    ran.warns(".modelaudit.toml:2:11: `hihg`: not a threshold");
}

#[test]
fn a_truncated_file_is_never_clean() {
    let folder = both();
    folder.scan().arg("cut.safetensors").run().exits(1).says("S909");
    folder.scan().args(["cut.safetensors", "--fail-on", "critical"]).run().exits(2).says("not read completely");
    folder.scan().args(["cut.safetensors", "--fail-on", "never"]).run().exits(2).says("verdict: error");
}

#[test]
fn a_skipped_file_counts_in_a_strict_run() {
    let folder = Folder::new().with(SAFE, "safe.safetensors").write("model.xyz", b"data").write("a.h5", b"no HDF5");
    folder.scan().args(["model.xyz", "safe.safetensors"]).run().exits(0).says("1 file not read completely");
    folder.scan().args(["model.xyz", "safe.safetensors", "--strict"]).run().exits(2);
    // What nobody named and what is no model is no gap.
    std::fs::remove_file(folder.file("a.h5")).unwrap();
    folder.scan().args([".", "--strict"]).run().exits(0);
}

#[test]
fn the_threshold_decides() {
    let folder = both();
    folder.scan().args(["evil.pt", "--fail-on", "never"]).run().exits(0).says("1 critical");
    folder.scan().args(["evil.pt", "--fail-on", "CRITICAL"]).run().exits(1);
    folder.scan().args(["evil.pt", "--severity", "S101=high", "--fail-on", "critical"]).run().exits(0);
    folder.scan().arg("evil.pt").env("MODELAUDIT_FAIL_ON", "never").run().exits(0);
    folder.scan().args(["evil.pt", "--fail-on", "low"]).env("MODELAUDIT_FAIL_ON", "never").run().exits(1);
}

#[test]
fn a_finding_outweighs_an_error() {
    let folder = both();
    let ran = folder.scan().args(["evil.pt", "nothing.pt", "cut.safetensors"]).run().exits(1);
    ran.says("nothing.pt: no such").says("cut.safetensors:").says("S101").says("verdict: fail");
}

#[test]
fn an_unreadable_file_is_an_error() {
    let folder = both();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        symlink("absent.pt", folder.file("dangling.pt")).unwrap();
        symlink("loop.pt", folder.file("loop.pt")).unwrap();
        folder.scan().arg("dangling.pt").run().exits(2).says("dangling.pt: no such file or folder");
        folder.scan().arg("loop.pt").run().exits(2).says("error: loop.pt:");
        let locked = folder.file("safe.safetensors");
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
        // Nothing is locked for the superuser.
        if std::fs::File::open(&locked).is_err() {
            folder.scan().arg("safe.safetensors").run().exits(2).says("could not be opened");
        }
    }
}

#[test]
fn a_path_alone_is_a_scan() {
    let folder = both();
    let plain = folder.run("evil.pt").args(["--reproducible", "-q"]).run().exits(1);
    assert_eq!(plain.stdout, folder.scan().args(["evil.pt", "-q"]).run().stdout);
    folder.run("--quiet").args(["--color", "never", "safe.safetensors"]).run().exits(0);
    Run::new("").run().exits(2).warns("Usage: modelaudit");
    Run::new("scna").arg("x").run().exits(2).warns("'scan'");
}
