//! What to scan and what to compare it with.
//!
//! In order: (1) the base that a flag gives, (2) the first parent of the test merge that is checked out, (3) the merge
//! base that this clone has, (4) the merge base that the host names, fetched alone, (5) more history, in steps,
//! (6) all of it, if that is allowed, (7) everything is scanned, and the report says why. A base that cannot be found
//! is never a change without files.

use super::environment::{Change, Event, Surroundings};
use super::explain::Decisions;
use crate::cli::{Extent, Fetch, Host};
use crate::target::{Comparison, Context, History, Repo, TargetError, Versions};

/// Commits by which history is deepened, one after the other.
const STEPS: [u32; 3] = [50, 200, 1000];

/// What the command line asks for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// How much.
    pub extent: Extent,
    /// The base revision.
    pub base: Option<String>,
    /// The head revision.
    pub head: Option<String>,
    /// What may be fetched.
    pub fetch: Fetch,
    /// Fail if there is nothing to compare with.
    pub require_diff: bool,
}

/// What is to be scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Nothing is there.
    Nothing,
    /// The index.
    Staged,
    /// Commits.
    Versions(Versions),
}

/// What came of planning.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What is to be scanned.
    pub scope: Scope,
    /// The commit whose settings count in a review: the tip of the base where this clone has it.
    pub base: Option<String>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The repository.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The head is somewhere else.
    #[error(
        "the head of the change, {id}, is not in this clone: {why}\nhelp: check it out, or fetch refs/pull/NUMBER/head"
    )]
    NoHead {
        /// Commit id.
        id: String,
        /// What fetching said.
        why: String,
    },
    /// The head is nowhere named, and what is checked out is not it.
    #[error(
        "the event runs with the rights of the base, and its payload does not name the head of the change\n\
             help: give GITHUB_EVENT_PATH as the host sets it, or --head"
    )]
    UnknownHead,
    /// A comparison was demanded.
    #[error("nothing to compare with: {reason}\nhelp: leave out --require-diff to scan everything")]
    NoBase {
        /// Why.
        reason: String,
    },
}

/// Asks the host for the merge base of a branch or commit and a head. None: there is nobody to ask.
pub type AskHost<'a> = dyn Fn(&str, &str) -> Option<Result<String, String>> + 'a;

/// Plans one run.
pub struct Planner<'a> {
    /// The repository.
    pub repo: &'a mut Repo,
    /// Where the run is.
    pub context: &'a Context,
    /// What started it.
    pub surroundings: &'a Surroundings,
    /// What the command line says.
    pub asked: &'a Asked,
    /// The host's word on merge bases.
    pub ask_host: &'a AskHost<'a>,
    /// Where decisions go.
    pub decisions: &'a mut Decisions,
}

impl Planner<'_> {
    /// Decides what to scan and what to compare it with.
    ///
    /// # Errors
    /// A revision is wrong, the head is not here, or a demanded comparison is not possible.
    pub fn plan(mut self) -> Result<Planned, PlanError> {
        let event = &self.surroundings.event;
        let nothing = |scope| Planned { scope, base: None, notes: Vec::new() };
        let (extent, why) = self.extent();
        let word = match extent {
            Some(Extent::Full) => "every file of the head",
            Some(Extent::Staged) => "what is staged",
            Some(Extent::Diff | Extent::Auto) => "what the head changes",
            None => "nothing",
        };
        self.decisions.note("scan", word, why.clone());
        match extent {
            None => return Ok(nothing(Scope::Nothing)),
            Some(Extent::Staged) => return Ok(nothing(Scope::Staged)),
            Some(_) => {}
        }
        let whole = extent == Some(Extent::Full);
        let head = self.head()?;
        // A whole scan is compared where the event names what was there before, or a flag does.
        let compares = !whole || self.asked.base.is_some() || matches!(event, Event::Push { .. });
        if !compares {
            return self.whole_alone(head.as_deref(), &why);
        }
        let found = self.comparison(head.as_deref())?;
        self.told(&found);
        if self.asked.require_diff && found.merge_base.is_none() {
            let reason = found.full_scan_reason.unwrap_or_else(|| "no base was found".to_owned());
            return Err(PlanError::NoBase { reason });
        }
        let reason = match found.full_scan_reason {
            Some(reason) => Some(reason),
            None => whole.then(|| why.clone()),
        };
        let versions = Versions {
            base: found.base,
            merge_base: found.merge_base,
            head: found.head,
            whole: reason.is_some(),
            full_scan_reason: reason,
        };
        Ok(Planned { scope: Scope::Versions(versions), base: found.base_id, notes: found.notes })
    }

    /// How much, and why; None: nothing is there.
    fn extent(&self) -> (Option<Extent>, String) {
        if self.asked.extent != Extent::Auto {
            return (Some(self.asked.extent), "asked for".into());
        }
        let event = &self.surroundings.event;
        let why = event.describe();
        match event {
            Event::Deleted => (None, why),
            Event::Hook { pushed: false } => (Some(Extent::Staged), why),
            Event::Push { to_default: true, .. } | Event::Whole(_) => (Some(Extent::Full), why),
            _ => (Some(Extent::Diff), why),
        }
    }

    fn whole_alone(&mut self, head: Option<&str>, why: &str) -> Result<Planned, PlanError> {
        let name = head.unwrap_or("HEAD");
        let Some(id) = self.repo.commit(name) else {
            return Err(match head {
                None => TargetError::NoCommit.into(),
                Some(head) => TargetError::UnknownRevision { revision: head.to_owned() }.into(),
            });
        };
        self.decisions.note("head", id.clone(), name);
        self.decisions.note("base", "none", format!("{why}: there is nothing to compare with"));
        if self.asked.require_diff {
            return Err(PlanError::NoBase { reason: why.to_owned() });
        }
        let reason = Some(why.to_owned());
        let versions = Versions { base: None, merge_base: None, head: id, whole: true, full_scan_reason: reason };
        Ok(Planned { scope: Scope::Versions(versions), base: None, notes: Vec::new() })
    }

    /// The revision to scan, if it is not what is checked out.
    fn head(&mut self) -> Result<Option<String>, PlanError> {
        if let Some(head) = &self.asked.head {
            return Ok(Some(head.clone()));
        }
        let (head, number) = match self.surroundings.event.change() {
            Some(Change { head: Some(head), number, .. }) => (head, number),
            // The base is what is checked out: compared with itself, it would pass.
            Some(Change { privileged: true, .. }) => return Err(PlanError::UnknownHead),
            _ => return Ok(None),
        };
        if self.repo.commit("HEAD").is_some_and(|checked_out| self.repo.has(&checked_out, head)) {
            return Ok(None);
        }
        // As in `pull_request_target`: scanning what is checked out would pass whatever the change holds.
        if self.repo.commit(head).is_none() && self.asked.fetch != Fetch::Never {
            let fetched = self.repo.fetch_commit(head).or_else(|error| match number {
                Some(number) => self.repo.fetch_references(History::Tip, &[&self.head_reference(*number)]),
                None => Err(error),
            });
            if let Err(error) = fetched {
                return Err(PlanError::NoHead { id: head.clone(), why: error.to_string() });
            }
            self.decisions.note("fetch", head.clone(), "what is checked out does not have the change");
        }
        match self.repo.commit(head) {
            Some(_) => Ok(Some(head.clone())),
            None => Err(PlanError::NoHead { id: head.clone(), why: "nothing was fetched".into() }),
        }
    }

    /// Steps 1 to 7.
    fn comparison(&mut self, head: Option<&str>) -> Result<Comparison, PlanError> {
        if let Some(found) = self.test_merge(head) {
            return Ok(found);
        }
        let base = self.asked.base.clone();
        let mut found = match self.repo.compare(self.context, base.as_deref(), head) {
            // The id of a commit that this clone lacks, though it has all history of its branches.
            Err(TargetError::UnknownRevision { revision }) if base.as_ref() == Some(&revision) && self.may_fetch() => {
                let _ = self.repo.fetch_commit(&revision);
                self.repo.compare(self.context, base.as_deref(), head)?
            }
            found => found?,
        };
        let complete = |found: &Comparison| found.merge_base.is_some() && found.connected;
        if complete(&found) {
            return Ok(found);
        }
        if !self.may_fetch() {
            self.decisions.note("fetch", "nothing", "not allowed, or not in a pipeline");
            return Ok(found);
        }
        if self.single_commit(&mut found) {
            return Ok(found);
        }
        let references = self.references(&found);
        let names: Vec<&str> = references.iter().map(String::as_str).collect();
        let all = (self.asked.fetch == Fetch::All).then_some(History::All);
        let steps = STEPS.into_iter().map(History::More).chain(all);
        for step in steps {
            // A clone with all its history has nothing to deepen: one fetch brings the branch that it lacks.
            let shallow = self.repo.is_shallow();
            if let Err(error) = self.repo.fetch_references(step, &names) {
                self.decisions.note("fetch", format!("{} failed", names.join(" ")), error.to_string());
                break;
            }
            self.decisions.note("fetch", names.join(" "), format!("{step:?}"));
            found = self.repo.compare(self.context, base.as_deref(), head)?;
            if complete(&found) || !shallow {
                break;
            }
        }
        Ok(found)
    }

    /// The host's own merge of the base and the change: its first parent is the base as the merge would find it.
    fn test_merge(&mut self, head: Option<&str>) -> Option<Comparison> {
        let change = self.surroundings.event.change().filter(|_| head.is_none() && self.asked.base.is_none())?;
        let checked_out = self.repo.commit("HEAD")?;
        let parents = self.repo.parents(&checked_out);
        let [base, merged] = parents.as_slice() else { return None };
        if Some(merged) != change.head.as_ref() {
            return None;
        }
        if self.repo.commit(base).is_none() {
            if !self.may_fetch() {
                return None;
            }
            let fetched = self.repo.fetch_commit(base);
            self.decisions.note(
                "fetch",
                base.clone(),
                fetched.err().map_or_else(String::new, |error| error.to_string()),
            );
        }
        let id = self.repo.commit(base)?;
        Some(Comparison {
            base: Some(change.base_branch.clone().unwrap_or_else(|| id.clone())),
            source: "first parent of the host's test merge",
            base_id: Some(id.clone()),
            merge_base: Some(id),
            connected: true,
            head: checked_out,
            full_scan_reason: None,
            notes: Vec::new(),
        })
    }

    /// Step 4: a commit by its id, alone. Histories stay apart, which a comparison of two states does not need.
    fn single_commit(&mut self, found: &mut Comparison) -> bool {
        // What is named by its id, as by GitLab or in a queue; after a forced push, the remote may have it no more.
        if let Some(id) = found.base.clone().filter(|base| is_id(base))
            && self.take(found, &id)
        {
            return true;
        }
        let Some(branch) = self.base_branch(found) else { return false };
        let head = self.surroundings.event.change().and_then(|change| change.head.clone());
        let head = head.unwrap_or_else(|| found.head.clone());
        match (self.ask_host)(&branch, &head) {
            Some(Ok(id)) => {
                self.decisions.note("base", id.clone(), "the host says that this is the merge base");
                is_id(&id) && self.take(found, &id)
            }
            Some(Err(error)) => {
                self.decisions.note("base", "not known to the host", error);
                false
            }
            None => false,
        }
    }

    /// Makes a commit the one to compare with, if it is here or can be fetched.
    fn take(&mut self, found: &mut Comparison, id: &str) -> bool {
        if self.repo.commit(id).is_none() {
            let error = self.repo.fetch_commit(id).err();
            self.decisions.note("fetch", id, error.map_or_else(String::new, |error| error.to_string()));
        }
        let Some(id) = self.repo.commit(id) else { return false };
        found.base.get_or_insert_with(|| id.clone());
        found.base_id.get_or_insert_with(|| id.clone());
        found.merge_base = Some(id);
        found.connected = true;
        found.full_scan_reason = None;
        found.notes.clear();
        true
    }

    /// The branch that the head is to be compared with, if one is known.
    fn base_branch(&self, found: &Comparison) -> Option<String> {
        let of_event = match &self.surroundings.event {
            Event::Change(change) => change.base_branch.clone(),
            Event::Push { to_default: false, default } => default.clone(),
            _ => None,
        };
        of_event.or_else(|| found.base.as_deref().map(plain).filter(|name| !is_id(name) && !name.starts_with("HEAD")))
    }

    /// The references whose history may join: the base branch, and what the host built.
    fn references(&self, found: &Comparison) -> Vec<String> {
        let change = self.surroundings.event.change();
        let branch = self.base_branch(found);
        let built = self.surroundings.reference.clone().filter(|name| name.starts_with("refs/"));
        let head = change.and_then(|change| change.number).filter(|_| change.is_some_and(|change| change.privileged));
        let head = head.map(|number| self.head_reference(number));
        branch.map(|name| format!("refs/heads/{name}")).into_iter().chain(head).chain(built).collect()
    }

    /// The name that the host gives to the head of a request.
    fn head_reference(&self, number: u64) -> String {
        let requests = if self.surroundings.host == Host::GitLab { "merge-requests" } else { "pull" };
        format!("refs/{requests}/{number}/head")
    }

    /// Only pipelines fetch: on somebody's machine, the network is theirs.
    fn may_fetch(&self) -> bool {
        self.asked.fetch != Fetch::Never && !matches!(self.surroundings.event, Event::Local | Event::Hook { .. })
    }

    fn told(&mut self, found: &Comparison) {
        self.decisions.note("head", found.head.clone(), "");
        let base = found.base.clone().unwrap_or_else(|| "none".into());
        match &found.merge_base {
            Some(id) => self.decisions.note("base", base, format!("{}; compared with {id}", found.source)),
            None => self.decisions.note("base", base, found.full_scan_reason.clone().unwrap_or_default()),
        }
    }
}

/// A commit by its whole id.
fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The name of a branch without that of its remote.
fn plain(name: &str) -> String {
    name.strip_prefix("origin/").unwrap_or(name).to_owned()
}
