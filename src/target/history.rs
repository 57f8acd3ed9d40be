//! Versions of a repository: which two a request is about, what they hold, and where they come from.

use std::collections::HashSet;

use super::base;
use super::git::{ChangeKind, RawChange, Repository, Side};
use super::{Context, Mode, Request, TargetError, Versions as Asked};
use crate::report::{Checkout, Diff};

pub(super) type Versions = (Side, Option<String>, Diff, Vec<String>);

/// The version to look at and the commit to compare it with.
pub(super) fn versions(
    repository: &dyn Repository,
    request: &Request,
    context: &Context,
) -> Result<Versions, TargetError> {
    let empty = Diff {
        mode: "diff".to_owned(),
        base: None,
        merge_base: None,
        head: None,
        full_scan_reason: None,
        changed: Vec::new(),
        fixed: Vec::new(),
    };
    if let Mode::Versions(Asked { base, merge_base, head, full_scan_reason, .. }) = &request.mode {
        let diff = Diff {
            base: base.clone(),
            merge_base: merge_base.clone(),
            head: Some(head.clone()),
            full_scan_reason: full_scan_reason.clone(),
            ..empty
        };
        return Ok((Side::Commit(head.clone()), merge_base.clone(), diff, Vec::new()));
    }
    let Mode::Diff { base, head } = &request.mode else {
        // Before the first commit, the whole index is what is about to be committed.
        let base = repository.commit("HEAD");
        let name = base.as_ref().map(|_| "HEAD".to_owned());
        let diff = Diff { mode: "staged".to_owned(), base: name, merge_base: base.clone(), ..empty };
        return Ok((Side::Index, base, diff, Vec::new()));
    };
    let found = base::find(repository, &context.env, base.as_deref(), head.as_deref())?;
    let diff = Diff {
        base: found.base,
        merge_base: found.merge_base.clone(),
        head: Some(found.head.clone()),
        full_scan_reason: found.full_scan_reason,
        ..empty
    };
    Ok((Side::Commit(found.head), found.merge_base, diff, found.notes))
}

/// Every file of a version, each as what it is against the base.
pub(super) fn all_and_changes(
    repository: &dyn Repository,
    base: &str,
    side: &Side,
) -> Result<Vec<RawChange>, TargetError> {
    let mut changes = repository.changes(Some(base), side)?;
    let changed: HashSet<Vec<u8>> = changes
        .iter()
        .filter(|change| change.kind != ChangeKind::Deleted)
        .map(|change| change.entry.path.clone())
        .collect();
    let all = repository.changes(None, side)?.into_iter().map(|change| change.entry);
    let same = all.filter(|entry| !changed.contains(&entry.path));
    changes.extend(same.map(|entry| RawChange { kind: ChangeKind::Unchanged, old: Some(entry.clone()), entry }));
    Ok(changes)
}

/// The parents in the text of a commit: a shallow clone hides those that it lacks, the text does not.
pub(super) fn parents(commit: &[u8]) -> Vec<String> {
    let header = commit.split(|&byte| byte == b'\n').take_while(|line| !line.is_empty());
    let parents = header.filter_map(|line| line.strip_prefix(b"parent "));
    parents.map(|id| String::from_utf8_lossy(id).into_owned()).collect()
}

/// The state of the repository that is scanned.
pub(super) fn checkout(repository: &dyn Repository, side: &Side) -> Checkout {
    let branch = repository.branch();
    Checkout {
        repository: repository.remote().map(|url| without_credentials(&url)),
        revision: match side {
            Side::Commit(id) => Some(id.clone()),
            Side::Index => repository.commit("HEAD"),
        },
        branch: branch.map(|name| name.strip_prefix("refs/heads/").map(str::to_owned).unwrap_or(name)),
    }
}

/// An address without the user and password that may stand in front of its host.
fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}/{path}")
        }
        None => url.to_owned(),
    }
}
