//! GitHub's REST API: comments, merge bases, and SARIF without its upload action, which would hash every model.
//!
//! <https://docs.github.com/rest/issues/comments>, <https://docs.github.com/rest/code-scanning>.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::comment::{Discussion, Existing};
use super::environment::{Following, Secret, Surroundings};
use super::http::{Client, Clock, HttpError, Method, Transport};

/// Pages of a list that are read: as many comments as a discussion can have and more.
const MAX_PAGES: u32 = 100;
/// Pauses between questions whether an upload has been processed, in seconds.
const POLLS: [u64; 5] = [1, 2, 4, 8, 15];

/// One repository.
pub struct GitHub<'a> {
    client: Client<'a>,
    /// The GraphQL API of the same server: it alone tells the token of an app who it is.
    graphql: Client<'a>,
    repository: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
    /// `User`, or `Bot` for programs.
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    body: Option<String>,
    /// None: the account is gone.
    user: Option<User>,
}

#[derive(Deserialize)]
struct Commit {
    sha: String,
}

/// A pull request, as far as comments need it.
#[derive(Deserialize)]
struct Pull {
    number: u64,
    head: Commit,
}

impl<'a> GitHub<'a> {
    /// The repository of the pipeline. None: the surroundings lack the API's address, the repository or a token.
    ///
    /// # Errors
    /// The address is not one to send a token to.
    pub fn new(
        transport: &'a dyn Transport,
        clock: &'a dyn Clock,
        surroundings: &Surroundings,
    ) -> Result<Option<Self>, HttpError> {
        let (Some(api), Some(repository), Some(token)) =
            (&surroundings.api, &surroundings.repository, &surroundings.token)
        else {
            return Ok(None);
        };
        let client = |address: &str| Client::new(transport, clock, address, token.clone(), headers(token));
        Ok(Some(Self { client: client(api)?, graphql: client(&graphql(api))?, repository: repository.clone() }))
    }

    fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.repository)
    }

    /// The merge base of a branch or commit and a head.
    ///
    /// # Errors
    /// Those of a request.
    pub fn merge_base(&self, base: &str, head: &str) -> Result<String, HttpError> {
        #[derive(Deserialize)]
        struct Comparison {
            merge_base_commit: Commit,
        }
        let path = self.path(&format!("/compare/{}...{}?per_page=1", encoded(base), encoded(head)));
        let found: Comparison = self.client.send(Method::Get, &path, None)?.json()?;
        Ok(found.merge_base_commit.sha)
    }

    /// The commit at the head of a pull request.
    ///
    /// # Errors
    /// Those of a request.
    pub fn head_of(&self, number: u64) -> Result<String, HttpError> {
        let pull: Pull = self.client.send(Method::Get, &self.path(&format!("/pulls/{number}")), None)?.json()?;
        Ok(pull.head.sha)
    }

    /// The open pull request that a run was for, by what the host says of that run.
    ///
    /// # Errors
    /// Those of a request.
    pub fn pull_of(&self, run: &Following) -> Result<Option<u64>, HttpError> {
        let head = format!("{}:{}", run.owner, run.branch);
        let path = self.path(&format!("/pulls?state=open&head={}", encoded(&head)));
        let pulls: Vec<Pull> = self.client.pages(&path, MAX_PAGES)?;
        Ok(pulls.into_iter().find(|pull| pull.head.sha == run.head).map(|pull| pull.number))
    }

    /// The discussion of a pull request.
    #[must_use]
    pub const fn discussion(&self, number: u64) -> Pullrequest<'_, 'a> {
        Pullrequest { github: self, number }
    }

    /// The name under which the app of an installation's token writes, if the server tells.
    fn app(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Answered {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            viewer: Viewer,
        }
        #[derive(Deserialize)]
        struct Viewer {
            login: String,
        }
        let question = json!({"query": "query { viewer { login } }"});
        let answer = self.graphql.send(Method::Post, "", Some(&question)).ok()?;
        let login = answer.json::<Answered>().ok()?.data.viewer.login;
        let name = login.strip_suffix("[bot]").unwrap_or(&login);
        (!name.is_empty()).then(|| format!("{name}[bot]"))
    }

    /// Uploads a SARIF document for a commit of a reference, and waits for the host to process it. Gives the id of the
    /// upload, and whether it was processed in time.
    ///
    /// # Errors
    /// Those of a request, or the host could not use the document.
    pub fn upload(&self, sarif: &[u8], commit: &str, reference: &str) -> Result<(String, bool), HttpError> {
        #[derive(Deserialize)]
        struct Accepted {
            id: String,
        }
        #[derive(Deserialize)]
        struct Processing {
            processing_status: String,
            errors: Option<Vec<String>>,
        }
        let body = json!({
            "commit_sha": commit, "ref": reference, "sarif": packed(sarif)?, "tool_name": "modelaudit", "validate": true,
        });
        let path = self.path("/code-scanning/sarifs");
        let Accepted { id } = self.client.send(Method::Post, &path, Some(&body))?.json()?;
        let path = format!("{path}/{}", encoded(&id));
        for pause in POLLS {
            if !self.client.wait(Duration::from_secs(pause)) {
                break;
            }
            let state: Processing = match self.client.send(Method::Get, &path, None) {
                Err(HttpError::Late) => break,
                // It is not there at once.
                Err(HttpError::Refused { status: 404, .. }) => continue,
                state => state?.json()?,
            };
            match state.processing_status.as_str() {
                "pending" => {}
                "complete" => return Ok((id, true)),
                _ => {
                    let what = state.errors.unwrap_or_default().join("; ");
                    let what = crate::escape::printable(&what, 500);
                    return Err(HttpError::Unexpected { what: format!("the upload was not processed: {what}") });
                }
            }
        }
        Ok((id, false))
    }
}

/// The address of the GraphQL API beside that of the REST API: `https://api.github.com`, `https://HOST/api/v3`.
fn graphql(api: &str) -> String {
    let api = api.trim_end_matches('/');
    format!("{}/graphql", api.strip_suffix("/v3").unwrap_or(api))
}

fn headers(token: &Secret) -> Vec<(&'static str, String)> {
    vec![
        ("authorization", format!("Bearer {}", token.reveal())),
        ("accept", "application/vnd.github+json".into()),
        ("x-github-api-version", "2022-11-28".into()),
    ]
}

/// Compressed and in letters, as the API wants it.
#[cfg(feature = "http")]
fn packed(bytes: &[u8]) -> Result<String, HttpError> {
    use base64::Engine as _;
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = gzip.write_all(bytes).and_then(|()| gzip.finish());
    let packed = packed.map_err(|error| HttpError::Unexpected { what: error.to_string() })?;
    Ok(base64::engine::general_purpose::STANDARD.encode(packed))
}

#[cfg(not(feature = "http"))]
fn packed(_: &[u8]) -> Result<String, HttpError> {
    Err(HttpError::NotBuilt)
}

/// A piece of a path or a value of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The discussion of one pull request.
pub struct Pullrequest<'g, 'a> {
    github: &'g GitHub<'a>,
    number: u64,
}

impl Discussion for Pullrequest<'_, '_> {
    fn author(&self) -> Result<Option<String>, HttpError> {
        match self.github.client.send(Method::Get, "/user", None) {
            Ok(answer) => Ok(Some(answer.json::<User>()?.login)),
            // The token of a workflow or of another app, which is no user.
            Err(HttpError::Refused { .. }) => Ok(self.github.app()),
            Err(error) => Err(error),
        }
    }

    fn list(&self) -> Result<Vec<Existing>, HttpError> {
        let path = self.github.path(&format!("/issues/{}/comments", self.number));
        let comments: Vec<Comment> = self.github.client.pages(&path, MAX_PAGES)?;
        let existing = |comment: Comment| Existing {
            id: comment.id,
            body: comment.body.unwrap_or_default(),
            bot: comment.user.as_ref().is_some_and(|user| user.kind == "Bot"),
            author: comment.user.map(|user| user.login).unwrap_or_default(),
        };
        Ok(comments.into_iter().map(existing).collect())
    }

    fn create(&self, body: &str) -> Result<String, HttpError> {
        let path = self.github.path(&format!("/issues/{}/comments", self.number));
        let made: Comment = self.github.client.send(Method::Post, &path, Some(&json!({"body": body})))?.json()?;
        Ok(made.user.map(|user| user.login).unwrap_or_default())
    }

    fn update(&self, id: u64, body: &str) -> Result<(), HttpError> {
        let path = self.github.path(&format!("/issues/comments/{id}"));
        self.github.client.send(Method::Patch, &path, Some(&json!({"body": body}))).map(drop)
    }

    fn delete(&self, id: u64) -> Result<(), HttpError> {
        self.github.client.send(Method::Delete, &self.github.path(&format!("/issues/comments/{id}")), None).map(drop)
    }
}
