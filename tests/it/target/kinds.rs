//! Kinds of repositories and of entries.

use super::scratch::{Scratch, bytes, changed, paths, request, skipped, target};
use modelaudit::target::Mode;

fn diff(base: &str, head: &str) -> Mode {
    Mode::Diff { base: Some(base.to_owned()), head: Some(head.to_owned()) }
}

/// A repository with `main`, and `feature` one commit further.
fn pair(format: &str) -> Scratch {
    let scratch = Scratch::folder();
    std::fs::create_dir(scratch.path("origin")).unwrap();
    let origin = scratch.at("origin");
    origin.git(&["init", "-q", "-b", "main", &format!("--object-format={format}")]);
    origin.write("a.pt", "a");
    origin.write("moved.pt", "moved");
    origin.commit("base");
    origin.git(&["checkout", "-q", "-b", "feature"]);
    origin.write("b.pt", "b");
    origin.git(&["mv", "moved.pt", "sub.pt"]);
    origin.commit("change");
    scratch
}

const CHANGES: [&str; 2] = ["added b.pt", "renamed sub.pt <- moved.pt"];

#[test]
fn bare_repositories_are_read_without_a_worktree() {
    let scratch = pair("sha1");
    scratch.git(&["clone", "-q", "--bare", "origin", "bare.git"]);
    let bare = scratch.at("bare.git");
    let plan = bare.plan(&request(&[], diff("main", "feature")));
    assert_eq!(changed(&plan), CHANGES);
    assert_eq!(bytes(target(&plan, "b.pt")), b"b");
    assert_eq!(paths(&bare.plan(&request(&["b.pt"], diff("main", "feature")))), ["b.pt"]);
}

#[test]
fn linked_worktrees_and_detached_heads_are_ordinary() {
    let scratch = pair("sha1");
    let origin = scratch.at("origin");
    origin.git(&["worktree", "add", "-q", "--detach", "../linked", "feature"]);
    let linked = scratch.at("linked");
    assert_eq!(changed(&linked.diff("main")), CHANGES);
    linked.write("staged.pt", "x");
    linked.git(&["add", "staged.pt"]);
    assert_eq!(paths(&linked.staged()), ["staged.pt"]);
    assert_eq!(paths(&origin.staged()), [""; 0], "each worktree has its index");
}

#[test]
fn sha256_repositories_are_read_through_the_program() {
    let scratch = pair("sha256");
    let origin = scratch.at("origin");
    let plan = origin.diff("main");
    assert_eq!(changed(&plan), CHANGES);
    assert_eq!(bytes(target(&plan, "b.pt")), b"b");
    let (path, previous) = target(&plan, "sub.pt").open_previous().unwrap().unwrap();
    assert_eq!((path.as_str(), previous.read_range(0, 9).unwrap()), ("moved.pt", b"moved".to_vec()));
    assert_eq!(plan.diff.unwrap().head.unwrap().len(), 64);
    origin.write("c.pt", "c");
    origin.git(&["add", "c.pt"]);
    assert_eq!(changed(&origin.staged()), ["added c.pt"]);
    let empty = Scratch::folder();
    empty.git(&["init", "-q", "--object-format=sha256"]);
    empty.write("first.pt", "x");
    empty.git(&["add", "first.pt"]);
    assert_eq!(changed(&empty.staged()), ["added first.pt"]);
}

#[test]
fn what_a_partial_clone_lacks_is_a_failure_and_no_download() {
    let scratch = pair("sha1");
    scratch.at("origin").git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", scratch.path("origin").display());
    scratch.git(&["clone", "-q", "--filter=blob:none", "--no-checkout", "-b", "feature", &url, "partial"]);
    let partial = scratch.at("partial");
    let plan = partial.diff("origin/main");
    assert_eq!(paths(&plan), [""; 0]);
    assert_eq!(plan.skipped.len(), 2);
    assert!(plan.skipped.iter().all(|file| file.status == modelaudit::report::Status::Failed));
    // The worktree may have what the clone lacks.
    partial.write("b.pt", "b");
    partial.write("sub.pt", "other content");
    let plan = partial.diff("origin/main");
    assert_eq!(paths(&plan), ["b.pt"]);
    assert_eq!(bytes(target(&plan, "b.pt")), b"b");
}

#[cfg(unix)]
#[test]
fn a_model_that_becomes_a_link_is_scanned_as_what_it_leads_to() {
    let scratch = Scratch::repository();
    for path in ["a.pt", "b.pt", "c.pt", "store/evil.pt"] {
        scratch.write(path, path);
    }
    let base = scratch.commit("base");
    for (target, path) in [("store/evil.pt", "a.pt"), ("../../etc/passwd", "b.pt"), ("a.pt", "c.pt")] {
        std::fs::remove_file(scratch.path(path)).unwrap();
        scratch.link(target, path);
    }
    scratch.link("store", "folder");
    scratch.link("me", "me");
    scratch.commit("links");
    let plan = scratch.diff(&base);
    assert_eq!(changed(&plan), ["type-changed a.pt", "type-changed c.pt"]);
    assert_eq!(bytes(target(&plan, "a.pt")), b"store/evil.pt");
    assert_eq!(bytes(target(&plan, "c.pt")), b"store/evil.pt", "over two links");
    assert_eq!(
        skipped(&plan),
        [
            "b.pt: a symbolic link that leads outside the repository",
            "folder: a symbolic link to a folder of the repository, whose files have their own entries",
            "me: a symbolic link that leads to itself",
        ]
    );
}

#[test]
fn submodules_are_told_and_not_entered() {
    let scratch = pair("sha1");
    let origin = scratch.at("origin");
    let id = origin.git(&["rev-parse", "main"]);
    origin.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},vendored")]);
    let plan = origin.staged();
    assert_eq!(paths(&plan), [""; 0]);
    assert_eq!(skipped(&plan), ["vendored: a submodule: its content is in another repository"]);
}

#[test]
fn no_repository_is_an_error_with_help() {
    let scratch = Scratch::folder();
    let error = scratch.try_plan(&request(&[], Mode::Staged)).unwrap_err().to_string();
    assert!(error.contains("not inside a git repository\nhelp: "), "{error}");
}

#[test]
fn revisions_cannot_be_options_or_ranges() {
    let scratch = pair("sha1");
    let origin = scratch.at("origin");
    for revision in ["--output=x", "main..feature", "", "^main", "a\nb"] {
        let error = origin.try_plan(&request(&[], diff(revision, "HEAD"))).unwrap_err().to_string();
        assert!(error.contains("is not a single revision\nhelp: "), "{revision}: {error}");
    }
}
