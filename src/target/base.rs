//! What to compare with: the base of the change under review.
//!
//! In order: (1) what the user names, (2) what pre-commit names, (3) GitHub's event, (4) the variables of GitLab and
//! other hosts, (5) the name of a merge queue branch, (6) the upstream of the branch, unless it is the same branch on
//! the remote, (7) the remote's default branch, `main` or `master`. Where a host names a base that this clone does not
//! have, the next step would be a guess: then everything is scanned and the report says why. A base that cannot be
//! found is never a change without files.

use std::path::Path;

use serde_json::Value;

use super::git::Repository;
use super::{GitEnv, TargetError, store};

/// Largest event payload that is read. GitHub caps them at 25 MB.
const MAX_PAYLOAD: u64 = 32 << 20;

/// Two versions to compare.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Base revision as given or found.
    pub base: Option<String>,
    /// Who names it: a flag, an event, a variable.
    pub source: &'static str,
    /// The commit that the base names, if this clone has it.
    pub base_id: Option<String>,
    /// Commit to compare with; None: scan everything, and `full_scan_reason` says why.
    pub merge_base: Option<String>,
    /// False if this clone has no merge base of the two, so that `merge_base` is the base itself.
    pub connected: bool,
    /// Commit to scan.
    pub head: String,
    /// Why there is nothing to compare with.
    pub full_scan_reason: Option<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A base that someone names, under names that are tried in turn.
struct Stated {
    revisions: Vec<String>,
    source: &'static str,
}

pub(super) fn find(
    repository: &dyn Repository,
    env: &GitEnv,
    base: Option<&str>,
    head: Option<&str>,
) -> Result<Comparison, TargetError> {
    for revision in base.iter().chain(&head) {
        check(revision)?;
    }
    let pushed = env.get("PRE_COMMIT_TO_REF").filter(|_| base.is_none() && env.get("PRE_COMMIT_FROM_REF").is_some());
    let head_name = head.or(pushed).unwrap_or("HEAD");
    let Some(head_id) = valid(repository, head_name) else {
        return Err(match head_name {
            "HEAD" => TargetError::NoCommit,
            _ => TargetError::UnknownRevision { revision: head_name.to_owned() },
        });
    };
    let search = Search { repository, env, head: &head_id, is_checkout: head.is_none() && pushed.is_none() };
    let (source, outcome) = match base {
        // A clone for CI often has a branch of the remote only.
        Some(base) => match named(repository, base).or_else(|| named(repository, &format!("origin/{base}"))) {
            Some(found) => ("given", Ok(found)),
            None if repository.is_shallow() => {
                let help = fetch(base);
                let reason = format!("the base `{base}` is not in this shallow clone; {help}");
                ("given", Err((Some(base.to_owned()), reason)))
            }
            None => return Err(TargetError::UnknownRevision { revision: base.to_owned() }),
        },
        None => search.find(),
    };
    let mut comparison = Comparison {
        base: None,
        source,
        base_id: None,
        merge_base: None,
        connected: true,
        head: head_id,
        full_scan_reason: None,
        notes: Vec::new(),
    };
    match outcome {
        Ok((name, id)) => {
            comparison.base_id = Some(id.clone());
            comparison.merge_base = repository.merge_base(&id, &comparison.head)?;
            if comparison.merge_base.is_none() {
                comparison.notes.push(format!(
                    "this clone has no merge base of `{name}` and `{head_name}`: compared with `{name}` itself, so that files that only `{name}` changed count as changed"
                ));
                comparison.merge_base = Some(id);
                comparison.connected = false;
            }
            comparison.base = Some(name);
        }
        Err((name, reason)) => {
            comparison.base = name;
            comparison.full_scan_reason = Some(reason);
        }
    }
    Ok(comparison)
}

/// Refuses what is no single revision, or could be taken for an option.
fn check(revision: &str) -> Result<(), TargetError> {
    if is_sound(revision) { Ok(()) } else { Err(TargetError::BadRevision { revision: revision.to_owned() }) }
}

pub(super) fn is_sound(revision: &str) -> bool {
    !revision.is_empty()
        && !revision.starts_with(['-', '^', ':'])
        && !revision.contains("..")
        && !revision.contains(char::is_control)
}

fn valid(repository: &dyn Repository, revision: &str) -> Option<String> {
    is_sound(revision).then(|| repository.commit(revision)).flatten()
}

fn named(repository: &dyn Repository, revision: &str) -> Option<(String, String)> {
    valid(repository, revision).map(|id| (revision.to_owned(), id))
}

/// How to get a base. The second half names it as the remote's branch: a clone of one branch would not.
fn fetch(base: &str) -> String {
    let plain = base.strip_prefix("origin/").unwrap_or(base);
    if plain.len() >= 40 && plain.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return format!("fetch it with `git fetch origin {plain}`");
    }
    format!("fetch it with `git fetch origin {plain}:refs/remotes/origin/{plain}`")
}

/// The base's name and commit; or its name, if it has one, and why there is no commit.
type Outcome = Result<(String, String), (Option<String>, String)>;

struct Search<'a> {
    repository: &'a dyn Repository,
    env: &'a GitEnv,
    head: &'a str,
    /// The head is what is checked out, so that the host's variables are about it.
    is_checkout: bool,
}

impl Search<'_> {
    fn find(&self) -> (&'static str, Outcome) {
        let stated = self.hook().or_else(|| self.github()).or_else(|| self.other_hosts()).or_else(|| self.queue());
        let Some(stated) = stated else { return ("the branch and its remote", self.local()) };
        let source = stated.source;
        for revision in &stated.revisions {
            if let Some(id) = valid(self.repository, revision) {
                return (source, Ok((revision.clone(), id)));
            }
        }
        let missing = match stated.revisions.first() {
            None => (None, format!("{source} names no base")),
            Some(first) => {
                let help = fetch(first);
                (Some(first.clone()), format!("the base `{first}` ({source}) is not in this clone; {help}"))
            }
        };
        (source, Err(missing))
    }

    fn hook(&self) -> Option<Stated> {
        let from = self.env.get("PRE_COMMIT_FROM_REF")?;
        Some(Stated { revisions: vec![from.to_owned()], source: "PRE_COMMIT_FROM_REF" })
    }

    fn github(&self) -> Option<Stated> {
        let event = self.env.get("GITHUB_EVENT_NAME")?;
        let payload =
            self.env.get("GITHUB_EVENT_PATH").and_then(|path| store::read_capped(Path::new(path), MAX_PAYLOAD));
        let payload: Value = payload.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let mut revisions = Vec::new();
        let source = match event {
            "pull_request" | "pull_request_target" | "pull_request_review" => {
                // GitHub's test merge: its first parent is the base, its second the head of the pull request. Any
                // other merge commit may have the base as its second parent.
                let second = self.repository.commit("HEAD^2").filter(|_| self.is_checkout);
                if second.is_some() && second == text("/pull_request/head/sha") {
                    revisions.push("HEAD^1".to_owned());
                }
                let branch = self.env.get("GITHUB_BASE_REF").map(str::to_owned);
                let branch = branch.or_else(|| text("/pull_request/base/ref"));
                revisions.extend(branch.map(|branch| format!("origin/{branch}")));
                // Last: the commit in the payload is frozen when the pull request is opened.
                revisions.extend(text("/pull_request/base/sha"));
                "GitHub's pull request event"
            }
            "merge_group" => {
                revisions.extend(text("/merge_group/base_sha"));
                "GitHub's merge_group event"
            }
            "push" => {
                revisions.extend(text("/before").filter(|id| !is_zero(id)));
                if let Some(default) = text("/repository/default_branch")
                    && self.env.get("GITHUB_REF") != Some(&format!("refs/heads/{default}"))
                {
                    revisions.push(format!("origin/{default}"));
                }
                "GitHub's push event"
            }
            _ => "GitHub's event",
        };
        Some(Stated { revisions, source })
    }

    fn other_hosts(&self) -> Option<Stated> {
        let get = |name| self.env.get(name);
        let mut revisions: Vec<String> = Vec::new();
        // The first is set in pipelines for merged results only, whose head has the target branch in it: there the
        // second, which stays as it was when the request was opened or pushed to, would count that branch's changes.
        let commits = ["CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "CI_MERGE_REQUEST_DIFF_BASE_SHA"];
        revisions.extend(commits.into_iter().filter_map(get).map(str::to_owned));
        let branches = [
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
            "BITBUCKET_PR_DESTINATION_BRANCH",
            "SYSTEM_PULLREQUEST_TARGETBRANCH",
            "BUILDKITE_PULL_REQUEST_BASE_BRANCH",
            "CHANGE_TARGET",
        ];
        let short = |name: &str| format!("origin/{}", name.strip_prefix("refs/heads/").unwrap_or(name));
        revisions.extend(branches.into_iter().filter_map(get).map(short));
        if revisions.is_empty() {
            let before = get("CI_COMMIT_BEFORE_SHA")?;
            revisions.extend(Some(before.to_owned()).filter(|id| !is_zero(id)));
            let default = get("CI_DEFAULT_BRANCH").filter(|&name| get("CI_COMMIT_REF_NAME") != Some(name));
            revisions.extend(default.map(short));
        }
        Some(Stated { revisions, source: "the CI host's variables" })
    }

    /// `gh-readonly-queue/<base branch>/pr-<number>-<base commit>`.
    fn queue(&self) -> Option<Stated> {
        let branch = self.repository.branch();
        let name = branch.as_deref().filter(|_| self.is_checkout).or_else(|| self.env.get("GITHUB_REF"))?;
        let (base, entry) = name.strip_prefix("refs/heads/gh-readonly-queue/")?.rsplit_once('/')?;
        let id =
            entry.rsplit('-').next().filter(|id| id.len() >= 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let revisions = id.map(str::to_owned).into_iter().chain([format!("origin/{base}")]).collect();
        Some(Stated { revisions, source: "the merge queue branch" })
    }

    fn local(&self) -> Outcome {
        let branch = self.repository.branch().filter(|_| self.is_checkout).unwrap_or_default();
        let short = branch.strip_prefix("refs/heads/").unwrap_or_default();
        let upstream = self.repository.upstream(&branch).filter(|_| !branch.is_empty());
        // A branch that is pushed under its own name has everything pushed in its upstream: no base for a review.
        let upstream = upstream.filter(|name| !name.ends_with(&format!("/{short}")));
        let upstream = upstream.map(|name| name.strip_prefix("refs/remotes/").unwrap_or(&name).to_owned());
        let usual = ["origin/HEAD", "origin/main", "origin/master", "main", "master"];
        // The branch itself is no base for itself.
        let usual = usual.into_iter().filter(|&name| name != short).map(str::to_owned);
        let mut candidates = upstream.into_iter().chain(usual);
        let found = candidates.find_map(|name| valid(self.repository, &name).map(|id| (name, id)));
        let Some((name, id)) = found else {
            let reason = "no base was found: no upstream, no remote default branch, no other main or master";
            return Err((None, reason.to_owned()));
        };
        // A guess that leaves nothing to look at is no good guess: a build of the default branch comes here.
        if self.repository.merge_base(&id, self.head).is_ok_and(|base| base.as_deref() == Some(self.head)) {
            let reason = format!("`{name}` has all that the head has, so that there is nothing to compare");
            return Err((Some(name), reason));
        }
        Ok((name, id))
    }
}

fn is_zero(id: &str) -> bool {
    id.bytes().all(|byte| byte == b'0')
}
