//! Files as they lie on the disk.

use super::scratch::{Scratch, bytes, hides, paths, request, skipped, target};
use modelaudit::target::{Mode, Request};

#[test]
fn a_folder_gives_all_files_hidden_and_ignored_ones_too() {
    let scratch = Scratch::repository();
    scratch.write(".gitignore", "*.pt\n");
    scratch.write(".ignore", "*\n");
    scratch.write("models/a.pt", "x");
    scratch.write(".hidden/b.pt", "x");
    let plan = scratch.scan(&[]);
    assert_eq!(paths(&plan), [".gitignore", ".hidden/b.pt", ".ignore", "models/a.pt"], "and nothing of .git");
    assert!(plan.errors.is_empty() && plan.diff.is_none());
    assert!(!target(&plan, "models/a.pt").given);
}

#[test]
fn a_folder_that_is_only_called_git_is_looked_into() {
    let scratch = Scratch::folder();
    scratch.write(".git/evil.pt", "x");
    assert_eq!(paths(&scratch.scan(&[])), [".git/evil.pt"]);
    let real = Scratch::repository();
    assert_eq!(paths(&real.scan(&[])), [""; 0]);
    assert!(!real.plan(&Request { no_ignore: true, ..Request::default() }).targets.is_empty());
    assert!(!real.scan(&[".git"]).targets.is_empty(), "unless it is named");
}

#[test]
fn names_are_relative_to_here_or_to_the_folder_that_is_scanned() {
    let scratch = Scratch::folder();
    scratch.write("here/models/a.pt", "x");
    scratch.write("there/sub/b.pt", "x");
    let here = scratch.at("here");
    let absolute = here.path("models").to_string_lossy().into_owned();
    let outside = scratch.path("there").to_string_lossy().into_owned();
    let file = scratch.path("there/sub/b.pt").to_string_lossy().into_owned();
    assert_eq!(paths(&here.scan(&[&absolute])), ["models/a.pt"]);
    assert_eq!(paths(&here.scan(&["./models/../models"])), ["models/a.pt"]);
    assert_eq!(paths(&here.scan(&[&outside])), ["sub/b.pt"]);
    assert_eq!(paths(&here.scan(&["../there"])), ["sub/b.pt"]);
    let plan = here.scan(&[&file]);
    assert_eq!(paths(&plan), ["b.pt"]);
    assert!(target(&plan, "b.pt").given && hides(&plan, &scratch.dir));
}

#[test]
fn two_files_never_share_a_name_and_one_file_is_scanned_once() {
    let scratch = Scratch::folder();
    scratch.write("here/x", "");
    scratch.write("a/m.pt", "a");
    scratch.write("b/m.pt", "b");
    let here = scratch.at("here");
    assert_eq!(paths(&here.scan(&["../a", "../b", "../a/m.pt"])), ["m.pt", "m.pt~2"]);
    assert_eq!(paths(&scratch.scan(&["a", "a/m.pt", "./a/", "."])), ["a/m.pt", "b/m.pt", "here/x"]);
    assert!(target(&scratch.scan(&["a", "a/m.pt"]), "a/m.pt").given);
}

#[test]
fn what_does_not_exist_is_an_error_and_the_rest_is_scanned() {
    let scratch = Scratch::folder();
    scratch.write("a.pt", "x");
    let plan = scratch.scan(&["a.pt", "nope.pt", "gone/*.pt", "*.onnx", ""]);
    assert_eq!(paths(&plan), ["a.pt"]);
    assert_eq!(
        plan.errors,
        [
            "nope.pt: no such file or folder",
            "gone/*.pt: no such file or folder",
            "*.onnx: no file matches",
            "an empty path was given"
        ]
    );
}

#[test]
fn globs_match_below_their_folder_and_a_file_of_that_name_comes_first() {
    let scratch = Scratch::folder();
    for path in ["models/a.pt", "models/x/y/b.pt", "models/c.txt", "other/d.pt", "[1].pt", "1.pt"] {
        scratch.write(path, "x");
    }
    assert_eq!(paths(&scratch.scan(&["models/**/*.pt"])), ["models/a.pt", "models/x/y/b.pt"]);
    assert_eq!(paths(&scratch.scan(&["mod*"])), ["models/a.pt", "models/c.txt", "models/x/y/b.pt"]);
    assert_eq!(paths(&scratch.scan(&["[1].pt"])), ["[1].pt"]);
    assert_eq!(paths(&scratch.scan(&["{models,other}/*.pt"])), ["models/a.pt", "other/d.pt"]);
    let error = scratch.try_plan(&request(&["a[", "x"], Mode::Paths)).unwrap_err().to_string();
    assert!(error.contains("`a[` is not a valid glob") && error.contains("\nhelp: "), "{error}");
}

#[test]
fn filters_say_what_they_leave_out() {
    let scratch = Scratch::folder();
    for path in ["a.pt", "a.bin", "tests/b.pt", "deep/node_modules/c.pt"] {
        scratch.write(path, "x");
    }
    let exclude = ["tests/**".to_owned(), "node_modules".to_owned()].to_vec();
    let plan = scratch.plan(&Request { exclude, include: vec!["*.pt".into()], ..Request::default() });
    assert_eq!(paths(&plan), ["a.pt"]);
    assert_eq!(
        skipped(&plan),
        ["deep/node_modules/: excluded by `node_modules`", "tests/b.pt: excluded by `tests/**`"]
    );
    assert_eq!(plan.notes, ["1 files match no include pattern and were left out"]);
    let plan = scratch.plan(&Request { include: vec!["*.pt".into()], ..request(&["a.bin"], Mode::Paths) });
    assert_eq!(paths(&plan), ["a.bin"], "what is named is meant");
}

#[test]
fn files_over_the_limits_are_skipped_with_the_reason() {
    let scratch = Scratch::folder();
    for (path, size) in [("a", 10), ("b", 100), ("c", 10), ("d", 10)] {
        scratch.write(path, vec![0; size]);
    }
    let limits = Request { max_file_size: Some(50), max_total_size: Some(25), ..Request::default() };
    let plan = scratch.plan(&limits);
    assert_eq!(paths(&plan), ["a", "c"]);
    assert_eq!(
        skipped(&plan),
        [
            "b: larger than the limit for one file (50 bytes)",
            "d: the limit for all files together (25 bytes) is reached"
        ]
    );
}

#[cfg(unix)]
#[test]
fn links_are_followed_inside_and_reported_outside() {
    let scratch = Scratch::folder();
    scratch.write("root/real.pt", "x");
    scratch.write("secret/key.pt", "secret");
    scratch.link("real.pt", "root/alias.pt");
    scratch.link("../secret/key.pt", "root/escape.pt");
    scratch.link("../secret", "root/folder");
    scratch.link("nowhere", "root/broken");
    scratch.link(".", "root/loop");
    let plan = scratch.scan(&["root"]);
    assert_eq!(paths(&plan), ["root/real.pt"]);
    assert_eq!(
        skipped(&plan),
        [
            "root/broken: a symbolic link that leads to nothing",
            "root/escape.pt: a symbolic link that leads outside the scanned folder",
            "root/folder: a symbolic link that leads outside the scanned folder",
        ]
    );
    assert_eq!(plan.notes.len(), 1);
    let plan = scratch.scan(&["root/escape.pt"]);
    assert_eq!(paths(&plan), ["root/escape.pt"], "a link that is named is followed");
    assert_eq!(bytes(target(&plan, "root/escape.pt")), b"secret");
}

#[cfg(unix)]
#[test]
fn a_hugging_face_cache_is_scanned_once_under_the_names_of_its_snapshot() {
    let scratch = Scratch::folder();
    let hash = "a".repeat(40);
    scratch.write(&format!("models--x/blobs/{hash}"), "weights");
    scratch.link(&format!("../../blobs/{hash}"), "models--x/snapshots/rev1/model.safetensors");
    scratch.link(&format!("../../blobs/{hash}"), "models--x/snapshots/rev2/model.safetensors");
    assert_eq!(paths(&scratch.scan(&["models--x"])), ["models--x/snapshots/rev1/model.safetensors"]);
    let plan = scratch.scan(&["models--x/snapshots/rev2"]);
    assert_eq!(paths(&plan), ["models--x/snapshots/rev2/model.safetensors"]);
    assert_eq!(bytes(&plan.targets[0]), b"weights");
    scratch.write("blobs/plain-name", "x");
    scratch.link("../../blobs/plain-name", "snapshots/rev/m.pt");
    assert_eq!(paths(&scratch.scan(&["snapshots/rev"])), [""; 0], "only hashes are blobs of a cache");
}

#[cfg(unix)]
#[test]
fn pipes_are_never_opened() {
    let scratch = Scratch::folder();
    assert!(std::process::Command::new("mkfifo").arg(scratch.path("pipe.pt")).status().unwrap().success());
    let plan = scratch.scan(&["."]);
    assert_eq!(skipped(&plan), ["pipe.pt: a named pipe, not a file"]);
    assert!(plan.errors.is_empty());
    assert_eq!(scratch.scan(&["pipe.pt"]).errors.len(), 1, "named, it is an error");
}

#[cfg(unix)]
#[test]
fn hostile_names_stay_apart() {
    use std::os::unix::ffi::OsStrExt as _;
    let scratch = Scratch::folder();
    for name in [&b"a\xff.pt"[..], b"a\xfe.pt", b"-rf", b"new\nline", b"q\"uote'"] {
        std::fs::write(scratch.dir.join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    assert_eq!(paths(&scratch.scan(&[])), ["-rf", "a\\xfe.pt", "a\\xff.pt", "new\nline", "q\"uote'"]);
}
