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
        repository: repository.remote().and_then(|url| public_address(&url)),
        revision: match side {
            Side::Commit(id) => Some(id.clone()),
            Side::Index => repository.commit("HEAD"),
        },
        branch: branch.map(|name| name.strip_prefix("refs/heads/").map(str::to_owned).unwrap_or(name)),
    }
}

/// The address of a server's repository without what may be a secret: user, password, query. None for a path of this
/// machine, which says nothing elsewhere and would differ between machines.
fn public_address(url: &str) -> Option<String> {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let without_user = |host: &str| host.rsplit_once('@').map_or(host, |(_, host)| host).to_owned();
    if let Some((scheme, rest)) = url.split_once("://") {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = without_user(host);
        // A password with a slash in it ends where a port would stand.
        let port = host.rsplit_once(':').filter(|_| !host.ends_with(']')).map_or("", |(_, port)| port);
        let is_server = !host.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        return (is_server && !scheme.eq_ignore_ascii_case("file")).then(|| format!("{scheme}://{host}/{path}"));
    }
    // `user@host:path` of SSH; one letter is a drive.
    let (host, path) = url.split_once(':')?;
    let is_server = !host.contains(['/', '\\']) && host.len() > 1;
    is_server.then(|| format!("{}:{path}", without_user(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_no_secret_and_no_path_of_this_machine() {
        for (url, public) in [
            ("https://u:p@example.org:8443/me/x.git", Some("https://example.org:8443/me/x.git")),
            ("https://example.org/me/x?private_token=X", Some("https://example.org/me/x")),
            ("https://example.org?private_token=X", Some("https://example.org/")),
            ("https://example.org/me/x#X", Some("https://example.org/me/x")),
            ("https://u:p/w@example.org/me/x", None),
            ("ssh://git@[::1]/x", Some("ssh://[::1]/x")),
            ("git@example.org:me/x.git", Some("example.org:me/x.git")),
            ("file:///home/me/x", None),
            ("FILE:///home/me/x", None),
            ("/home/me/x", None),
            ("../x", None),
            ("./a:b", None),
            (r"C:\me\x", None),
        ] {
            assert_eq!(public_address(url).as_deref(), public, "{url}");
        }
    }
}
