//! Files that stand for others.

use super::scratch::{Scratch, bytes, is_resolved, paths, target};
use modelaudit::target::{Plan, Pointed};

/// SHA-256 and MD5 of `model bytes`.
const SHA256: &str = "9cb7487000bc86ac36ce83c4acfabe8878552be99572a6770f65ab1d048a5c48";
const MD5: &str = "cfca6e26b6c2a9e94994644c684dfee0";
const BYTES: &[u8] = b"model bytes";

fn lfs_pointer() -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{SHA256}\nsize {}\n", BYTES.len())
}

fn lfs_object() -> String {
    format!("lfs/objects/{}/{}/{SHA256}", &SHA256[..2], &SHA256[2..4])
}

fn unresolved(plan: &Plan, path: &str, kind: &str, object: &str) {
    match &target(plan, path).state {
        Pointed::Unresolved { kind: k, object: o } => assert_eq!((*k, o.as_str()), (kind, object)),
        state => panic!("{state:?}"),
    }
}

#[test]
fn lfs_pointers_are_read_from_the_store_and_never_passed_as_the_model() {
    let scratch = Scratch::repository();
    scratch.write("m.pt", lfs_pointer());
    let plan = scratch.scan(&[]);
    unresolved(&plan, "m.pt", "git-lfs", &format!("sha256:{SHA256}"));
    assert_eq!(target(&plan, "m.pt").size, 11, "what it promises");
    assert_eq!(bytes(target(&plan, "m.pt")), lfs_pointer().as_bytes());
    scratch.write(&format!(".git/{}", lfs_object()), "short");
    unresolved(&scratch.scan(&[]), "m.pt", "git-lfs", &format!("sha256:{SHA256}"));
    scratch.write(&format!(".git/{}", lfs_object()), BYTES);
    let plan = scratch.scan(&[]);
    assert!(is_resolved(target(&plan, "m.pt")));
    assert_eq!(bytes(target(&plan, "m.pt")), BYTES);
    assert_eq!(paths(&plan), ["m.pt"]);
}

#[test]
fn the_lfs_store_may_be_configured_elsewhere() {
    let scratch = Scratch::repository();
    scratch.git(&["config", "lfs.storage", "../big"]);
    scratch.write("m.pt", lfs_pointer());
    scratch.write(&lfs_object().replace("lfs/", "big/"), BYTES);
    assert!(is_resolved(target(&scratch.scan(&["m.pt"]), "m.pt")));
}

#[test]
fn a_pointer_with_anything_behind_it_is_an_ordinary_file() {
    let scratch = Scratch::folder();
    scratch.write("m.pt", format!("{}cos\nsystem\n", lfs_pointer()));
    assert_eq!(target(&scratch.scan(&[]), "m.pt").state, Pointed::Plain);
}

#[cfg(feature = "git")]
#[test]
fn lfs_pointers_in_a_change_are_read_from_the_store_or_the_worktree() {
    let scratch = Scratch::repository();
    scratch.commit("base");
    scratch.git(&["checkout", "-q", "-b", "feature"]);
    scratch.write("m.pt", lfs_pointer());
    scratch.commit("model");
    unresolved(&scratch.diff("main"), "m.pt", "git-lfs", &format!("sha256:{SHA256}"));
    scratch.write("m.pt", BYTES);
    assert_eq!(bytes(target(&scratch.diff("main"), "m.pt")), BYTES, "the worktree has the content of the digest");
    scratch.write("m.pt", "other bytes");
    unresolved(&scratch.diff("main"), "m.pt", "git-lfs", &format!("sha256:{SHA256}"));
    scratch.git(&["checkout", "-q", "--", "m.pt"]);
    scratch.write(&format!(".git/{}", lfs_object()), BYTES);
    assert_eq!(bytes(target(&scratch.diff("main"), "m.pt")), BYTES);
    // As the base version too.
    scratch.git(&["branch", "-f", "main"]);
    scratch.write("m.pt", "now plain");
    scratch.commit("plain");
    let plan = scratch.diff("main");
    let (_, previous) = target(&plan, "m.pt").open_previous().unwrap().unwrap();
    assert_eq!(previous.read_range(0, 99).unwrap(), BYTES);
}

fn annex_key() -> String {
    format!("SHA256E-s{}--{SHA256}.pt", BYTES.len())
}

#[cfg(unix)]
#[test]
fn annexed_links_and_pointers_are_read_from_the_store() {
    let scratch = Scratch::repository();
    let key = annex_key();
    scratch.link(&format!("../.git/annex/objects/Xx/Yy/{key}/{key}"), "models/locked.pt");
    scratch.write("unlocked.pt", format!("/annex/objects/{key}\n"));
    let plan = scratch.scan(&[]);
    unresolved(&plan, "models/locked.pt", "git-annex", &key);
    unresolved(&plan, "unlocked.pt", "git-annex", &key);
    assert_eq!(target(&plan, "models/locked.pt").size, 11);
    assert!(!bytes(target(&plan, "models/locked.pt")).is_empty());
    unresolved(&scratch.scan(&["models/locked.pt"]), "models/locked.pt", "git-annex", &key);
    scratch.write(&format!(".git/annex/objects/4ee/0a2/{key}/{key}"), BYTES);
    let plan = scratch.scan(&[]);
    assert_eq!(bytes(target(&plan, "models/locked.pt")), BYTES);
    assert!(is_resolved(target(&plan, "unlocked.pt")));
}

#[cfg(all(unix, feature = "git"))]
#[test]
fn annexed_links_in_a_change_are_read_from_the_store() {
    let scratch = Scratch::repository();
    scratch.commit("base");
    scratch.git(&["checkout", "-q", "-b", "feature"]);
    let key = annex_key();
    scratch.link(&format!(".git/annex/objects/Xx/Yy/{key}/{key}"), "m.pt");
    scratch.commit("annexed");
    unresolved(&scratch.diff("main"), "m.pt", "git-annex", &key);
    scratch.write(&format!(".git/annex/objects/1k/8k/{key}/{key}"), BYTES);
    assert_eq!(bytes(target(&scratch.diff("main"), "m.pt")), BYTES);
}

fn dvc_file() -> String {
    format!("outs:\n- md5: {MD5}\n  size: {}\n  hash: md5\n  path: m.pt\n", BYTES.len())
}

#[test]
fn dvc_files_are_read_from_either_cache_under_the_name_of_the_data() {
    let scratch = Scratch::repository();
    scratch.write(".dvc/config", "");
    scratch.write("models/m.pt.dvc", dvc_file());
    unresolved(&scratch.scan(&["models"]), "models/m.pt.dvc", "dvc", &format!("md5:{MD5}"));
    for cache in [".dvc/cache", ".dvc/cache/files/md5"] {
        let object = format!("{cache}/{}/{}", &MD5[..2], &MD5[2..]);
        scratch.write(&object, BYTES);
        let plan = scratch.scan(&["models"]);
        let found = target(&plan, "models/m.pt.dvc");
        assert_eq!(bytes(found), BYTES);
        assert_eq!(found.name().to_string(), "models/m.pt.dvc!/m.pt");
        std::fs::remove_file(scratch.path(&object)).unwrap();
    }
}

#[test]
fn data_that_dvc_checked_out_is_scanned_once_as_itself() {
    let scratch = Scratch::repository();
    scratch.write("m.pt.dvc", dvc_file());
    scratch.write("m.pt", BYTES);
    let plan = scratch.scan(&[]);
    assert_eq!(paths(&plan), ["m.pt", "m.pt.dvc"]);
    assert_eq!(target(&plan, "m.pt.dvc").state, Pointed::Plain);
    let plan = scratch.scan(&["m.pt.dvc"]);
    assert!(is_resolved(&plan.targets[0]), "alone, the pointer leads to it");
}

#[test]
fn folders_that_dvc_tracks_give_their_files() {
    let scratch = Scratch::repository();
    let list = format!(r#"[{{"md5":"{MD5}","relpath":"a.pt"}},{{"md5":"{}","relpath":"b.pt"}}]"#, "0".repeat(32));
    scratch.write("data.dvc", format!("outs:\n- md5: {MD5}.dir\n  nfiles: 2\n  path: data\n"));
    unresolved(&scratch.scan(&["data.dvc"]), "data.dvc", "dvc", &format!("md5:{MD5}.dir"));
    scratch.write(&format!(".dvc/cache/files/md5/{}/{}.dir", &MD5[..2], &MD5[2..]), list);
    scratch.write(&format!(".dvc/cache/files/md5/{}/{}", &MD5[..2], &MD5[2..]), BYTES);
    let plan = scratch.scan(&["data.dvc"]);
    let names: Vec<String> = plan.targets.iter().map(|target| target.name().to_string()).collect();
    assert_eq!(names, ["data.dvc!/data/a.pt", "data.dvc!/data/b.pt"]);
    assert_eq!(bytes(&plan.targets[0]), BYTES);
    assert!(matches!(plan.targets[1].state, Pointed::Unresolved { .. }));
}

#[cfg(feature = "git")]
#[test]
fn dvc_files_in_a_change_are_resolved_too() {
    let scratch = Scratch::repository();
    scratch.write(".gitignore", "/models/m.pt\n");
    scratch.commit("base");
    scratch.git(&["checkout", "-q", "-b", "feature"]);
    scratch.write("models/m.pt.dvc", dvc_file());
    scratch.commit("tracked");
    unresolved(&scratch.diff("main"), "models/m.pt.dvc", "dvc", &format!("md5:{MD5}"));
    scratch.write("models/m.pt", BYTES);
    assert_eq!(bytes(target(&scratch.diff("main"), "models/m.pt.dvc")), BYTES);
}
