//! The host that runs the pipeline, and the event that started it, read once from variables and the event's payload.
//!
//! GitHub: <https://docs.github.com/actions/reference/variables>,
//! <https://docs.github.com/webhooks/webhook-events-and-payloads>. GitLab:
//! <https://docs.gitlab.com/ci/variables/predefined_variables/>.

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

use crate::cli::Host;

/// What started the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody asks to merge a change.
    Change(Change),
    /// A queue tests what it is about to merge.
    MergeQueue,
    /// Commits were pushed to a branch.
    Push {
        /// It is the default branch.
        to_default: bool,
        /// The default branch.
        default: Option<String>,
    },
    /// A branch or tag was deleted: nothing is there to scan.
    Deleted,
    /// A time, a person, a release, a tag: the whole state is meant. The word of the host.
    Whole(String),
    /// A commit is about to be made or pushed.
    Hook {
        /// A range is pushed; else the index is committed.
        pushed: bool,
    },
    /// Nothing is known: a branch on somebody's machine.
    Local,
}

/// A pull or merge request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Its number, for comments.
    pub number: Option<u64>,
    /// The last commit of the branch under review.
    pub head: Option<String>,
    /// The branch that it is to be merged into.
    pub base_branch: Option<String>,
    /// It comes from another repository, whose owner need not be trusted.
    pub fork: bool,
    /// The pipeline runs with the rights of the base branch, and what is checked out is the base.
    pub privileged: bool,
}

impl Event {
    /// In words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Change(change) => {
                let number = change.number.map(|number| format!(" {number}")).unwrap_or_default();
                let fork = if change.fork { " from a fork" } else { "" };
                let privileged = if change.privileged { ", with the rights of the base" } else { "" };
                format!("change request{number}{fork}{privileged}")
            }
            Self::MergeQueue => "merge queue".into(),
            Self::Push { to_default: true, .. } => "push to the default branch".into(),
            Self::Push { to_default: false, .. } => "push".into(),
            Self::Deleted => "deleted branch".into(),
            Self::Whole(word) => word.clone(),
            Self::Hook { pushed: true } => "pre-push hook".into(),
            Self::Hook { pushed: false } => "pre-commit hook".into(),
            Self::Local => "no event".into(),
        }
    }

    /// The change request, if it is one.
    #[must_use]
    pub const fn change(&self) -> Option<&Change> {
        match self {
            Self::Change(change) => Some(change),
            _ => None,
        }
    }

    /// Whether what is under review was written by somebody whose settings must not count yet.
    #[must_use]
    pub const fn is_review(&self) -> bool {
        matches!(self, Self::Change(_) | Self::MergeQueue)
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text that is not empty.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        // A line break would add headers to requests.
        let sound = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then_some(Self(text))
    }

    /// The text, for the one header that carries it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A text without this one in it.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.0, "[redacted]")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What the command line says instead of the surroundings.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The host by its word; None: detected.
    pub host: Option<Host>,
    /// The event by the host's word.
    pub event: Option<String>,
    /// Number of the change request.
    pub change: Option<u64>,
    /// `owner/name`, or the project's id on GitLab.
    pub repository: Option<String>,
    /// Base of the host's REST API.
    pub api: Option<String>,
}

/// The pipeline's surroundings.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Whose pipeline it is.
    pub host: Host,
    /// What started it.
    pub event: Event,
    /// The host's word for it.
    pub event_name: String,
    /// `owner/name`, or the project's id on GitLab.
    pub repository: Option<String>,
    /// Base of the host's REST API.
    pub api: Option<String>,
    /// What may write there.
    pub token: Option<Secret>,
    /// The commit that the host says is built.
    pub commit: Option<String>,
    /// The full reference that the host says is built.
    pub reference: Option<String>,
    /// Page of this run.
    pub run_url: Option<String>,
    /// File for the job's summary.
    pub summary: Option<PathBuf>,
    /// File for outputs that later steps read.
    pub outputs: Option<PathBuf>,
    /// Folder for files of this job.
    pub temporary: Option<PathBuf>,
    /// In an event that follows another run: the run's payload.
    pub following: Option<Following>,
    /// What could not be read.
    pub notes: Vec<String>,
}

/// The run that a `workflow_run` event follows; trusted, as the host wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Following {
    /// The commit at the head of the branch that it ran for.
    pub head: String,
    /// That branch.
    pub branch: String,
    /// The owner of the repository with that branch.
    pub owner: String,
}

/// The variables, empty ones left out: hosts set what does not apply to nothing.
struct Variables<'l>(&'l dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.get(name).is_some_and(|found| found.eq_ignore_ascii_case(value))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }
}

impl Surroundings {
    /// Reads them. `payload` reads the event's file.
    #[must_use]
    pub fn read(
        lookup: &dyn Fn(&str) -> Option<String>,
        payload: impl Fn(&str) -> Option<Vec<u8>>,
        overrides: &Overrides,
    ) -> Self {
        let variables = Variables(lookup);
        let host = overrides.host.unwrap_or_else(|| detect(&variables));
        let mut found = match host {
            Host::GitHub => github(&variables, payload, overrides),
            Host::GitLab => gitlab(&variables, overrides),
            Host::PreCommit | Host::Azure | Host::Generic => other(host, &variables, overrides),
        };
        if let (Event::Change(change), Some(number)) = (&mut found.event, overrides.change) {
            change.number = Some(number);
        }
        found
    }

    fn bare(host: Host, event: Event) -> Self {
        Self {
            host,
            event,
            event_name: String::new(),
            repository: None,
            api: None,
            token: None,
            commit: None,
            reference: None,
            run_url: None,
            summary: None,
            outputs: None,
            temporary: None,
            following: None,
            notes: Vec::new(),
        }
    }
}

fn detect(variables: &Variables<'_>) -> Host {
    // A hook may run inside a pipeline: it is about the hook's files all the same.
    if variables.is("PRE_COMMIT", "1") {
        Host::PreCommit
    } else if variables.is("GITHUB_ACTIONS", "true") {
        Host::GitHub
    } else if variables.is("GITLAB_CI", "true") {
        Host::GitLab
    } else if variables.is("TF_BUILD", "true") {
        Host::Azure
    } else {
        Host::Generic
    }
}

fn github(variables: &Variables<'_>, payload: impl Fn(&str) -> Option<Vec<u8>>, overrides: &Overrides) -> Surroundings {
    let name = overrides.event.clone().or_else(|| variables.get("GITHUB_EVENT_NAME")).unwrap_or_default();
    let file = variables.get("GITHUB_EVENT_PATH");
    let payload: Option<Value> =
        file.and_then(|path| payload(&path)).and_then(|json| serde_json::from_slice(&json).ok());
    let mut notes = Vec::new();
    if payload.is_none() && !name.is_empty() {
        notes.push("the event's payload could not be read; only the variables are known".to_owned());
    }
    let payload = payload.unwrap_or_default();
    let event = github_event(&name, &payload, variables);
    let server = variables.get("GITHUB_SERVER_URL");
    let repository = overrides.repository.clone().or_else(|| variables.get("GITHUB_REPOSITORY"));
    let run = variables.get("GITHUB_RUN_ID").filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
    let run_url = match (&server, &repository, run) {
        (Some(server), Some(repository), Some(run)) => Some(format!("{server}/{repository}/actions/runs/{run}")),
        _ => None,
    };
    Surroundings {
        repository: repository.filter(|name| is_slug(name)),
        api: overrides.api.clone().or_else(|| variables.get("GITHUB_API_URL")),
        token: ["GITHUB_TOKEN", "GH_TOKEN"].iter().find_map(|name| variables.get(name)).and_then(Secret::new),
        commit: variables.get("GITHUB_SHA"),
        reference: variables.get("GITHUB_REF"),
        run_url,
        summary: variables.path("GITHUB_STEP_SUMMARY"),
        outputs: variables.path("GITHUB_OUTPUT"),
        temporary: variables.path("RUNNER_TEMP"),
        following: following(&payload),
        event_name: name,
        notes,
        ..Surroundings::bare(Host::GitHub, event)
    }
}

fn text(payload: &Value, pointer: &str) -> Option<String> {
    payload.pointer(pointer).and_then(Value::as_str).map(str::to_owned).filter(|text| !text.is_empty())
}

fn github_event(name: &str, payload: &Value, variables: &Variables<'_>) -> Event {
    match name {
        "pull_request" | "pull_request_target" | "pull_request_review" => {
            let ids = ["/pull_request/head/repo/id", "/pull_request/base/repo/id"];
            let [head, base] = ids.map(|pointer| payload.pointer(pointer).and_then(Value::as_u64));
            // A fork that was deleted has no repository any more.
            Event::Change(Change {
                number: payload.pointer("/pull_request/number").and_then(Value::as_u64),
                head: text(payload, "/pull_request/head/sha"),
                base_branch: variables.get("GITHUB_BASE_REF").or_else(|| text(payload, "/pull_request/base/ref")),
                fork: head.is_none() || head != base,
                privileged: name == "pull_request_target",
            })
        }
        "merge_group" => Event::MergeQueue,
        "push" if payload.pointer("/deleted").and_then(Value::as_bool) == Some(true) => Event::Deleted,
        "push" => {
            let reference = variables.get("GITHUB_REF").unwrap_or_default();
            let default = text(payload, "/repository/default_branch");
            match reference.strip_prefix("refs/heads/") {
                Some(branch) => Event::Push { to_default: default.as_deref() == Some(branch), default },
                None => Event::Whole("tag".into()),
            }
        }
        "" => Event::Local,
        other => Event::Whole(other.to_owned()),
    }
}

fn following(payload: &Value) -> Option<Following> {
    Some(Following {
        head: text(payload, "/workflow_run/head_sha")?,
        branch: text(payload, "/workflow_run/head_branch").unwrap_or_default(),
        owner: text(payload, "/workflow_run/head_repository/owner/login").unwrap_or_default(),
    })
}

/// `owner/name` of characters that cannot change the path of a request.
fn is_slug(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    text.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name))
}

fn gitlab(variables: &Variables<'_>, overrides: &Overrides) -> Surroundings {
    let name = overrides.event.clone().or_else(|| variables.get("CI_PIPELINE_SOURCE")).unwrap_or_default();
    let commit = variables.get("CI_COMMIT_SHA");
    let default = variables.get("CI_DEFAULT_BRANCH");
    let number = overrides.change.or_else(|| variables.get("CI_MERGE_REQUEST_IID")?.parse().ok());
    let event = if name == "merge_request_event" || number.is_some() {
        let source = variables.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID");
        let target = variables.get("CI_MERGE_REQUEST_PROJECT_ID");
        Event::Change(Change {
            number,
            // In a pipeline for merged results, CI_COMMIT_SHA is the merge.
            head: variables.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").or_else(|| commit.clone()),
            base_branch: variables.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
            fork: source.is_some() && source != target,
            privileged: false,
        })
    } else if variables.get("CI_COMMIT_TAG").is_some() {
        Event::Whole("tag".into())
    } else {
        match (name.as_str(), variables.get("CI_COMMIT_BRANCH")) {
            ("push" | "", Some(branch)) => {
                Event::Push { to_default: default.as_deref() == Some(branch.as_str()), default }
            }
            ("", None) => Event::Local,
            (other, _) => Event::Whole(other.to_owned()),
        }
    };
    let project = overrides.repository.clone();
    let project =
        project.or_else(|| variables.get("CI_MERGE_REQUEST_PROJECT_ID")).or_else(|| variables.get("CI_PROJECT_ID"));
    let names = ["CI_COMMIT_TAG", "CI_COMMIT_BRANCH"];
    let [tag, branch] = names.map(|name| variables.get(name));
    Surroundings {
        repository: project.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())),
        api: overrides.api.clone().or_else(|| variables.get("CI_API_V4_URL")),
        // CI_JOB_TOKEN may not write notes.
        token: variables.get("GITLAB_TOKEN").and_then(Secret::new),
        commit,
        reference: tag
            .map(|tag| format!("refs/tags/{tag}"))
            .or_else(|| branch.map(|name| format!("refs/heads/{name}"))),
        run_url: variables.get("CI_JOB_URL"),
        temporary: variables.path("CI_PROJECT_DIR"),
        event_name: name,
        ..Surroundings::bare(Host::GitLab, event)
    }
}

fn other(host: Host, variables: &Variables<'_>, overrides: &Overrides) -> Surroundings {
    let numbers = ["BITBUCKET_PR_ID", "SYSTEM_PULLREQUEST_PULLREQUESTID", "CHANGE_ID", "BUILDKITE_PULL_REQUEST"];
    let number = numbers.iter().find_map(|name| variables.get(name)?.parse().ok());
    let branches = [
        "BITBUCKET_PR_DESTINATION_BRANCH",
        "SYSTEM_PULLREQUEST_TARGETBRANCH",
        "CHANGE_TARGET",
        "BUILDKITE_PULL_REQUEST_BASE_BRANCH",
    ];
    let branch = branches.iter().find_map(|name| variables.get(name));
    let branch = branch.map(|name| name.strip_prefix("refs/heads/").map(str::to_owned).unwrap_or(name));
    let event = match (host, branch) {
        (Host::PreCommit, _) => Event::Hook { pushed: variables.get("PRE_COMMIT_FROM_REF").is_some() },
        (_, Some(base_branch)) => Event::Change(Change { number, base_branch: Some(base_branch), ..Change::default() }),
        (_, None) => match overrides.event.clone() {
            Some(event) if event == "change" => Event::Change(Change::default()),
            Some(event) => Event::Whole(event),
            None => Event::Local,
        },
    };
    Surroundings { temporary: variables.path("AGENT_TEMPDIRECTORY"), ..Surroundings::bare(host, event) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], payload: &str) -> Surroundings {
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Surroundings::read(&lookup, |_| Some(payload.as_bytes().to_vec()), &Overrides::default())
    }

    fn event(name: &str, reference: &str, payload: &str) -> Event {
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", name),
            ("GITHUB_EVENT_PATH", "x"),
            ("GITHUB_REF", reference),
        ];
        read(&variables, payload).event
    }

    #[test]
    fn github_tells_its_events_by_name_and_payload() {
        let pull = r#"{"pull_request":{"number":7,"head":{"sha":"abc","repo":{"id":1}},"base":{"ref":"main","repo":{"id":2}}}}"#;
        let Event::Change(change) = event("pull_request_target", "refs/heads/main", pull) else { panic!() };
        assert_eq!((change.number, change.head.as_deref()), (Some(7), Some("abc")));
        assert!(change.fork && change.privileged);
        let default = r#"{"repository":{"default_branch":"main"}}"#;
        let push = |to_default| Event::Push { to_default, default: Some("main".into()) };
        assert_eq!(event("push", "refs/heads/main", default), push(true));
        assert_eq!(event("push", "refs/heads/x", default), push(false));
        assert_eq!(event("push", "refs/tags/v1", default), Event::Whole("tag".into()));
        assert_eq!(event("push", "refs/heads/x", r#"{"deleted":true}"#), Event::Deleted);
        assert_eq!(event("merge_group", "", "{}"), Event::MergeQueue);
        assert_eq!(event("schedule", "refs/heads/main", "{}"), Event::Whole("schedule".into()));
        assert_eq!(event("", "", "not json"), Event::Local);
    }

    #[test]
    fn a_pull_request_whose_fork_is_gone_is_from_a_fork() {
        let gone =
            r#"{"pull_request":{"number":7,"head":{"sha":"abc","repo":null},"base":{"ref":"main","repo":{"id":2}}}}"#;
        assert!(event("pull_request", "", gone).change().is_some_and(|change| change.fork));
    }

    #[test]
    fn gitlab_tells_its_pipelines_by_variables() {
        let gitlab = |more: &[(&str, &str)]| {
            read(&[&[("GITLAB_CI", "true"), ("CI_DEFAULT_BRANCH", "main")], more].concat(), "").event
        };
        let merge = [
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ("CI_MERGE_REQUEST_IID", "3"),
            ("CI_MERGE_REQUEST_PROJECT_ID", "1"),
            ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "2"),
        ];
        assert!(gitlab(&merge).change().is_some_and(|change| change.fork && change.number == Some(3)));
        let push = |branch| gitlab(&[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BRANCH", branch)]);
        assert!(matches!(push("main"), Event::Push { to_default: true, .. }));
        assert!(matches!(push("x"), Event::Push { to_default: false, .. }));
        assert_eq!(
            gitlab(&[("CI_PIPELINE_SOURCE", "schedule"), ("CI_COMMIT_BRANCH", "x")]),
            Event::Whole("schedule".into())
        );
    }

    #[test]
    fn a_hook_inside_a_pipeline_is_a_hook() {
        let found = read(&[("PRE_COMMIT", "1"), ("GITHUB_ACTIONS", "true"), ("PRE_COMMIT_FROM_REF", "a")], "");
        assert_eq!((found.host, found.event), (Host::PreCommit, Event::Hook { pushed: true }));
    }

    #[test]
    fn tokens_are_never_shown() {
        let secret = Secret::new("s3cret".into()).unwrap();
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.redact("401 for s3cret"), "401 for [redacted]");
        assert!(Secret::new("a\r\nb".into()).is_none() && Secret::new(String::new()).is_none());
    }

    #[test]
    fn repositories_cannot_change_the_path_of_a_request() {
        assert!(is_slug("me/x.y-z"));
        assert!(!is_slug("me/../x") && !is_slug("me") && !is_slug("me/x?y") && !is_slug("/x"));
    }
}
