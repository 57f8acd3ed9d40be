//! Objects of Git LFS: only those that changed are asked for, through the client, and none is passed as clean.

use std::os::unix::fs::PermissionsExt as _;

use sha2::{Digest as _, Sha256};

use super::pipeline::{Checkout, Remote, Told};
use crate::cli::{EVIL, bytes_of};

fn pointer(bytes: &[u8]) -> (String, String) {
    let oid: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {}\n", bytes.len());
    (oid, text)
}

fn remote() -> Remote {
    Remote::with(|feature| feature.write("models/large.pt", pointer(&bytes_of(EVIL)).1))
}

/// A client that has one object and says what it is asked for.
fn client(clone: &Checkout<'_>) -> std::path::PathBuf {
    let folder = clone.reports();
    std::fs::create_dir_all(&folder).unwrap();
    let (oid, _) = pointer(&bytes_of(EVIL));
    std::fs::write(folder.join("object"), bytes_of(EVIL)).unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = smudge ] || exit 3\ngrep -o 'sha256:.*' >>{0}/asked\nstore=$(git rev-parse --git-common-dir)/lfs/objects/{1}/{2}\nmkdir -p \"$store\"\ncp {0}/object \"$store/{oid}\"\n",
        folder.display(),
        &oid[..2],
        &oid[2..4],
    );
    let path = folder.join("git-lfs");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn run(remote: &Remote, with_client: bool, fork: bool, args: &[&str]) -> (Told, String) {
    let mut clone = remote.checkout("refs/pull/7/merge", 1);
    clone =
        clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(fork)).env("GITHUB_BASE_REF", "main");
    let folder = client(&clone);
    let _ = std::fs::remove_file(folder.join("asked"));
    let path = std::env::var("PATH").unwrap();
    if with_client {
        clone = clone.env("PATH", format!("{}:{path}", folder.display()));
    }
    let told = clone.ci(args);
    (told, std::fs::read_to_string(folder.join("asked")).unwrap_or_default())
}

#[test]
fn pointers_are_reported_required_fetched_or_passed_over() {
    let remote = remote();
    let (told, asked) = run(&remote, true, false, &["--fail-on", "high"]);
    let told = told.exits(0);
    assert_eq!((told.output("verdict"), asked.as_str()), ("incomplete", ""));
    run(&remote, true, false, &["--fail-on", "high", "--lfs", "require"]).0.exits(2).explains("lfs: require");
    let (told, _) = run(&remote, true, false, &["--lfs", "ignore"]);
    assert_eq!(told.exits(0).output("verdict"), "pass");
    let (told, asked) = run(&remote, true, false, &["--lfs", "fetch"]);
    assert_eq!(told.exits(1).found(), ["new models/large.pt"]);
    assert_eq!(asked, format!("sha256:{}\n", pointer(&bytes_of(EVIL)).0), "what changed, and nothing else");
}

#[test]
fn what_cannot_be_fetched_is_an_error() {
    let (told, _) = run(&remote(), false, false, &["--fail-on", "high", "--lfs", "fetch"]);
    let told = told.exits(2);
    assert!(told.summary.contains("Git LFS"), "{}", told.summary);
}

#[test]
fn a_verdict_that_is_kept_needs_no_object_and_no_second_look() {
    let remote = remote();
    let cache = remote.origin().path("../verdicts");
    let keep = ["--cache", cache.to_str().unwrap(), "--lfs", "fetch", "--reproducible"];
    let (first, asked) = run(&remote, true, false, &keep);
    let first = first.exits(1).explains("verdicts on the same bytes");
    assert!(!asked.is_empty());
    let (second, asked) = run(&remote, true, false, &keep);
    let second = second.exits(1);
    assert_eq!(asked, "", "the object's id is the digest of what is known");
    assert_eq!((second.found(), second.output("verdict")), (vec!["new models/large.pt".to_owned()], "fail"));
    assert_eq!(first.report["issues"], second.report["issues"]);
    assert_eq!(first.report["assets"], second.report["assets"]);
    // Other rules, other verdicts.
    let (_, asked) = run(&remote, true, false, &[&keep[..], &["--blacklist", "x*"]].concat());
    assert!(!asked.is_empty());
    // What somebody broke is scanned again.
    for entry in std::fs::read_dir(&cache).unwrap() {
        std::fs::write(entry.unwrap().path(), "modelaudit verdict 1\n").unwrap();
    }
    let (_, asked) = run(&remote, true, false, &keep);
    assert!(!asked.is_empty());
    // A folder that others may write to is not used.
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (told, asked) = run(&remote, true, false, &keep);
    assert!(!asked.is_empty() && told.ran.stderr.contains("the cache is not used"), "{}", told.ran.stderr);
}

/// True if the genuine client is on this machine.
fn has_client() -> bool {
    #[expect(clippy::disallowed_methods, reason = "looks for git-lfs")]
    let found = std::process::Command::new("git").args(["lfs", "version"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("SKIPPED: git-lfs is not installed");
    }
    found
}

#[test]
fn the_genuine_client_fetches_what_changed_whatever_the_repository_says() {
    if !has_client() {
        return;
    }
    let bytes = bytes_of(EVIL);
    let (oid, _) = pointer(&bytes);
    let settings = "[lfs]\n\tfetchexclude = *\n\tfetchinclude = none\n\tskipdownloaderrors = true\n";
    for (config, there) in [("", true), (settings, true), (settings, false)] {
        let remote = Remote::with(|feature| {
            feature.write("models/large.pt", pointer(&bytes).1);
            feature.write(".gitattributes", "*.pt -text\n");
            feature.write(".lfsconfig", config);
        });
        if there {
            // The client takes objects of a remote on the disk from its store.
            remote.origin().write(&format!(".git/lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]), &bytes);
        }
        let clone = remote.checkout("refs/pull/7/merge", 1);
        let clone = clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(false));
        let told = clone.env("GITHUB_BASE_REF", "main").ci(&["--fail-on", "high", "--lfs", "fetch"]);
        if there {
            assert_eq!(told.exits(1).found(), ["new models/large.pt"], "{config}");
        } else {
            let told = told.exits(2);
            assert!(told.summary.contains("Git LFS: models/large.pt"), "{}", told.summary);
        }
    }
}
