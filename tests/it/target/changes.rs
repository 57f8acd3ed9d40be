//! Changes between commits and in the index.

use super::scratch::{Scratch, bytes, changed, paths, request, skipped, target};
use modelaudit::target::{Mode, Request};

/// `main` with two models, and `feature` checked out at the same commit.
fn feature() -> Scratch {
    let scratch = Scratch::repository();
    scratch.write("old.pt", "old model");
    scratch.write("dir/kept.pt", "kept model");
    scratch.commit("base");
    scratch.git(&["checkout", "-q", "-b", "feature"]);
    scratch
}

#[test]
fn only_what_the_branch_changes_is_scanned_with_its_base_version() {
    let scratch = feature();
    let base = scratch.git(&["rev-parse", "main"]);
    scratch.write("old.pt", "new model");
    scratch.write("added.pt", "added");
    let head = scratch.commit("change");
    scratch.write("added.pt", "not committed");
    scratch.git(&["checkout", "-q", "main", "--", "dir/kept.pt"]);
    let plan = scratch.diff("main");
    assert_eq!(changed(&plan), ["added added.pt", "modified old.pt"]);
    assert_eq!(bytes(target(&plan, "added.pt")), b"added", "the committed version");
    assert_eq!(bytes(target(&plan, "old.pt")), b"new model");
    let (path, old) = target(&plan, "old.pt").open_previous().unwrap().unwrap();
    assert_eq!((path.as_str(), old.read_range(0, 99).unwrap().as_slice()), ("old.pt", &b"old model"[..]));
    assert!(target(&plan, "added.pt").open_previous().is_none());
    let diff = plan.diff.unwrap();
    assert_eq!((diff.mode.as_str(), diff.base.as_deref()), ("diff", Some("main")));
    assert_eq!((diff.merge_base, diff.head, diff.full_scan_reason), (Some(base), Some(head), None));
}

#[test]
fn a_file_that_is_gone_became_one_other_and_what_resembles_it_is_new() {
    let scratch = feature();
    let text: String = (0..200).map(|n| format!("line {n} of the model\n")).collect();
    scratch.write("third.pt", &text);
    scratch.commit("third");
    scratch.git(&["branch", "-f", "main"]);
    scratch.git(&["mv", "third.pt", "renamed.pt"]);
    scratch.write("alike.pt", text.replace("line 7 ", "other 7 "));
    scratch.commit("change");
    assert_eq!(changed(&scratch.diff("main")), ["added alike.pt", "renamed renamed.pt <- third.pt"]);
}

#[test]
fn what_only_the_base_changed_since_is_no_change() {
    let scratch = feature();
    scratch.write("mine.pt", "x");
    scratch.commit("mine");
    scratch.git(&["checkout", "-q", "main"]);
    scratch.write("theirs.pt", "x");
    scratch.commit("theirs");
    scratch.git(&["checkout", "-q", "feature"]);
    assert_eq!(paths(&scratch.diff("main")), ["mine.pt"]);
}

#[test]
fn renames_with_and_without_changes_keep_their_base_version() {
    let scratch = feature();
    let large: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    scratch.write("large.bin", &large);
    scratch.commit("large");
    scratch.git(&["branch", "-f", "main"]);
    scratch.git(&["mv", "old.pt", "moved.pt"]);
    scratch.git(&["rm", "-q", "large.bin"]);
    scratch.write("sub/large2.bin", [&large[..], b"and a hundred more"].concat());
    scratch.commit("rename");
    let plan = scratch.diff("main");
    assert_eq!(changed(&plan), ["renamed moved.pt <- old.pt", "renamed sub/large2.bin <- large.bin"]);
    let (path, _) = target(&plan, "moved.pt").open_previous().unwrap().unwrap();
    assert_eq!(path, "old.pt");
}

#[test]
fn copies_of_changed_files_and_deletions_are_told() {
    let scratch = feature();
    scratch.write("copy.pt", "old model");
    scratch.write("old.pt", "old model, changed");
    std::fs::remove_file(scratch.path("dir/kept.pt")).unwrap();
    scratch.commit("copy");
    let plan = scratch.diff("main");
    assert_eq!(changed(&plan), ["copied copy.pt <- old.pt", "modified old.pt"]);
    assert!(target(&plan, "copy.pt").open_previous().is_none(), "what a copy holds is new at its place");
    assert_eq!(plan.notes, ["1 file was deleted"]);
}

#[test]
fn staged_is_the_index_and_neither_worktree_nor_head() {
    let scratch = feature();
    scratch.write("old.pt", "staged");
    scratch.git(&["add", "old.pt"]);
    scratch.write("old.pt", "later");
    scratch.write("untracked.pt", "x");
    let plan = scratch.staged();
    assert_eq!(changed(&plan), ["modified old.pt"]);
    assert_eq!(bytes(target(&plan, "old.pt")), b"staged");
    let diff = plan.diff.unwrap();
    assert_eq!((diff.mode.as_str(), diff.head), ("staged", None));
}

#[test]
fn the_index_that_a_hook_names_is_the_one_that_counts() {
    let scratch = feature();
    scratch.write("a.pt", "a");
    scratch.git(&["add", "a.pt"]);
    std::fs::copy(scratch.path(".git/index"), scratch.path(".git/next-index")).unwrap();
    scratch.git(&["reset", "-q"]);
    assert_eq!(paths(&scratch.staged()), [""; 0]);
    assert_eq!(paths(&scratch.with_env("GIT_INDEX_FILE", ".git/next-index").staged()), ["a.pt"]);
}

#[test]
fn before_the_first_commit_the_whole_index_is_staged() {
    let scratch = Scratch::repository();
    scratch.write("a.pt", "a");
    scratch.git(&["add", "a.pt"]);
    let plan = scratch.staged();
    assert_eq!(changed(&plan), ["added a.pt"]);
    assert_eq!(plan.diff.unwrap().merge_base, None);
    let error = scratch.try_plan(&request(&[], Mode::Diff { base: None, head: None })).unwrap_err().to_string();
    assert!(error.contains("no commit yet") && error.contains("help: --staged"), "{error}");
}

#[test]
fn unfinished_merges_are_told() {
    let scratch = feature();
    scratch.write("old.pt", "mine");
    scratch.commit("mine");
    scratch.git(&["checkout", "-q", "main"]);
    scratch.write("old.pt", "theirs");
    scratch.commit("theirs");
    let mut merge = std::process::Command::new("git");
    merge.current_dir(&scratch.dir).args(["-c", "user.name=A", "-c", "user.email=a@example.org", "merge", "feature"]);
    assert!(!merge.output().unwrap().status.success());
    assert_eq!(skipped(&scratch.staged()), ["old.pt: not merged yet: the index has several versions"]);
}

#[test]
fn a_companion_that_changes_brings_its_unchanged_model() {
    let scratch = feature();
    scratch.write("dir/config.json", "{}");
    scratch.write("dir/readme.md", "x");
    scratch.commit("config");
    let plan = scratch.diff("main");
    assert_eq!(
        changed(&plan),
        ["added dir/config.json", "companion dir/kept.pt <- dir/config.json", "added dir/readme.md"]
    );
    let (path, _) = target(&plan, "dir/kept.pt").open_previous().unwrap().unwrap();
    assert_eq!(path, "dir/kept.pt", "its base version is itself");
    scratch.git(&["branch", "-f", "main"]);
    scratch.write("dir/kept.pt", "changed");
    scratch.commit("model");
    assert_eq!(changed(&scratch.diff("main")), ["modified dir/kept.pt"], "a model brings nothing");
}

#[test]
fn paths_and_filters_limit_the_change() {
    let scratch = feature();
    for path in ["dir/a.pt", "dir/sub/b.pt", "other/c.pt", "dir2/d.pt"] {
        scratch.write(path, "x");
    }
    scratch.commit("more");
    let diff = || Mode::Diff { base: Some("main".into()), head: None };
    assert_eq!(paths(&scratch.plan(&request(&["dir"], diff()))), ["dir/a.pt", "dir/sub/b.pt"]);
    assert_eq!(paths(&scratch.plan(&request(&["*/*.pt"], diff()))), ["dir/a.pt", "dir2/d.pt", "other/c.pt"]);
    assert_eq!(paths(&scratch.at("dir").plan(&request(&["."], diff()))), ["dir/a.pt", "dir/sub/b.pt"]);
    let plan = scratch.plan(&request(&["dir/a.pt"], diff()));
    assert!(target(&plan, "dir/a.pt").given);
    let exclude = vec!["dir".to_owned()];
    let plan = scratch.plan(&Request { exclude, ..request(&[], diff()) });
    assert_eq!(paths(&plan), ["dir2/d.pt", "other/c.pt"]);
    assert_eq!(plan.skipped.len(), 2);
    assert_eq!(scratch.plan(&request(&["typo.pt"], diff())).errors, ["typo.pt: no such file or folder"]);
    let outside = scratch.try_plan(&request(&["dir", "/"], diff())).unwrap_err().to_string();
    assert!(outside.contains("outside the repository"), "{outside}");
    assert!(scratch.try_plan(&request(&["-"], diff())).is_err());
}

#[test]
fn hostile_names_come_through_git_whole() {
    let scratch = feature();
    let names = ["-rf.pt", "new\nline.pt", "q\"uo'te.pt", "näme 模型.pt", "tab\t.pt", ":(glob)x.pt"];
    for name in names {
        scratch.write(name, name);
    }
    scratch.commit("names");
    let plan = scratch.diff("main");
    assert_eq!(plan.targets.len(), names.len());
    for name in names {
        assert_eq!(bytes(target(&plan, name)), name.as_bytes());
    }
}

#[test]
fn large_blobs_are_read_from_the_worktree_or_streamed_from_git() {
    let scratch = feature();
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    scratch.write("same.pt", &large);
    scratch.write("other.pt", &large);
    scratch.commit("large");
    let mut changed = large.clone();
    changed[7] ^= 1;
    scratch.write("other.pt", &changed);
    let plan = scratch.diff("main");
    assert!(bytes(target(&plan, "same.pt")) == large);
    assert!(bytes(target(&plan, "other.pt")) == large, "same size, other bytes: the committed version counts");
}

#[test]
fn marks_in_the_index_hide_nothing_from_the_commit() {
    let scratch = feature();
    for (name, mark) in [("a.pt", "--assume-unchanged"), ("b.pt", "--skip-worktree")] {
        scratch.write(name, "staged");
        scratch.write("old.pt", mark);
        scratch.git(&["add", "-A"]);
        scratch.git(&["update-index", mark, name, "old.pt"]);
        let plan = scratch.staged();
        assert!(paths(&plan).contains(&name) && paths(&plan).contains(&"old.pt"), "{:?}", paths(&plan));
        assert_eq!(bytes(target(&plan, "old.pt")), mark.as_bytes());
        scratch.git(&["update-index", "--no-assume-unchanged", "--no-skip-worktree", name, "old.pt"]);
    }
}

#[cfg(unix)]
#[test]
fn neither_grafts_nor_replacements_choose_what_is_compared() {
    let scratch = feature();
    scratch.write("added.pt", "added");
    let head = scratch.commit("change");
    let base = scratch.git(&["rev-parse", "main"]);
    // The base would be a child of the head: nothing would have changed.
    scratch.write(".git/info/grafts", format!("{base} {head}\n"));
    assert_eq!(paths(&scratch.diff("main")), ["added.pt"]);
    scratch.write(".git/info/grafts", format!("{head}\n"));
    assert_eq!(paths(&scratch.diff("main")), ["added.pt"]);
    std::fs::remove_file(scratch.path(".git/info/grafts")).unwrap();
    scratch.git(&["replace", &head, &base]);
    assert_eq!(paths(&scratch.diff("main")), ["added.pt"]);
    scratch.git(&["replace", "-d", &head]);
    let blobs = ["HEAD:added.pt", "HEAD:old.pt"].map(|name| scratch.git(&["rev-parse", name]));
    scratch.git(&["replace", &blobs[0], &blobs[1]]);
    assert_eq!(bytes(target(&scratch.diff("main"), "added.pt")), b"added");
}

#[cfg(unix)]
#[test]
fn no_program_that_the_repository_names_is_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = feature();
    // More than is read through the library: the program git streams it.
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    scratch.write("large.pt", &large);
    scratch.write("small.pt", "small");
    scratch.commit("models");
    scratch.write(".gitattributes", "* diff=x filter=x merge=x -delta export-subst ident\n");
    scratch.commit("attributes");
    let trap = format!("touch '{}'", scratch.path(".git/sprung").display());
    let hook = scratch.path("hooks/post-index-change");
    scratch.write("hooks/post-index-change", format!("#!/bin/sh\n{trap}\n"));
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::copy(&hook, scratch.path("hooks/reference-transaction")).unwrap();
    for key in
        "core.fsmonitor core.sshCommand core.pager core.editor core.askPass core.gitProxy core.alternateRefsCommand \
                diff.external diff.x.command diff.x.textconv filter.x.clean filter.x.smudge filter.x.process \
                merge.x.driver credential.helper gpg.program pager.diff-tree"
            .split_whitespace()
    {
        scratch.git(&["config", key, &trap]);
    }
    scratch.git(&["config", "core.hooksPath", &scratch.path("hooks").to_string_lossy()]);
    scratch.git(&["config", "core.attributesFile", &scratch.path(".gitattributes").to_string_lossy()]);
    let _ = std::fs::remove_file(scratch.path(".git/sprung"));
    // Both ways to read a repository.
    for grafts in [false, true] {
        if grafts {
            scratch.write(".git/info/grafts", "");
        }
        for plan in [scratch.diff("main"), scratch.staged(), scratch.scan(&["."])] {
            for target in &plan.targets {
                target.open().unwrap().read_range(0, 16).unwrap();
                target.open_previous().map(|previous| previous.unwrap());
            }
        }
        assert_eq!(bytes(target(&scratch.diff("main"), "large.pt")), large);
    }
    assert!(!scratch.path(".git/sprung").exists());
}
