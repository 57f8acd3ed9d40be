//! What the environment says about the change under review.

use std::collections::BTreeMap;

/// The few variables that name a base, a head, or the index in use. Read once by the caller, so that a plan depends on
/// nothing hidden.
#[derive(Debug, Clone, Default)]
pub struct GitEnv(BTreeMap<&'static str, String>);

impl GitEnv {
    /// Every variable that is looked at.
    pub const NAMES: &'static [&'static str] = &[
        "GIT_INDEX_FILE",
        "PRE_COMMIT_FROM_REF",
        "PRE_COMMIT_TO_REF",
        "GITHUB_EVENT_NAME",
        "GITHUB_EVENT_PATH",
        "GITHUB_BASE_REF",
        "GITHUB_REF",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA",
        "CI_MERGE_REQUEST_TARGET_BRANCH_SHA",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
        "CI_COMMIT_BEFORE_SHA",
        "CI_COMMIT_REF_NAME",
        "CI_DEFAULT_BRANCH",
        "BITBUCKET_PR_DESTINATION_BRANCH",
        "SYSTEM_PULLREQUEST_TARGETBRANCH",
        "BUILDKITE_PULL_REQUEST_BASE_BRANCH",
        "CHANGE_TARGET",
    ];

    /// Takes the variables from a lookup such as `|name| std::env::var(name).ok()`.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        Self(Self::NAMES.iter().filter_map(|&name| Some((name, lookup(name)?))).collect())
    }

    /// A variable; empty counts as unset, as CI hosts set what does not apply to nothing.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}
