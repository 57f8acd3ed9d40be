//! GitLab's REST API: notes on merge requests.
//!
//! <https://docs.gitlab.com/api/notes/>. The token of a job may not write notes: a project or group token is needed.

use serde::Deserialize;
use serde_json::json;

use super::comment::{Discussion, Existing};
use super::environment::Surroundings;
use super::http::{Client, Clock, HttpError, Method, Transport};

/// Pages of a list that are read.
const MAX_PAGES: u32 = 100;
/// Largest note that is written, in bytes: GitLab takes 1,000,000 characters.
pub const NOTE_LIMIT: usize = 900_000;

/// One merge request.
pub struct MergeRequest<'a> {
    client: Client<'a>,
    path: String,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct Note {
    id: u64,
    body: String,
    author: User,
    /// Written by GitLab itself.
    #[serde(default)]
    system: bool,
}

impl<'a> MergeRequest<'a> {
    /// The merge request of the pipeline. None: the surroundings lack the API's address, the project or a token.
    ///
    /// # Errors
    /// The address is not one to send a token to.
    pub fn new(
        transport: &'a dyn Transport,
        clock: &'a dyn Clock,
        surroundings: &Surroundings,
        number: u64,
    ) -> Result<Option<Self>, HttpError> {
        let (Some(api), Some(project), Some(token)) =
            (&surroundings.api, &surroundings.repository, &surroundings.token)
        else {
            return Ok(None);
        };
        let headers = vec![("private-token", token.reveal().to_owned())];
        let client = Client::new(transport, clock, api, token.clone(), headers)?;
        Ok(Some(Self { client, path: format!("/projects/{project}/merge_requests/{number}") }))
    }

    /// The commit at the head of the merge request.
    ///
    /// # Errors
    /// Those of a request.
    pub fn head(&self) -> Result<String, HttpError> {
        #[derive(Deserialize)]
        struct Request {
            sha: String,
        }
        Ok(self.client.send(Method::Get, &self.path, None)?.json::<Request>()?.sha)
    }
}

impl Discussion for MergeRequest<'_> {
    fn author(&self) -> Result<Option<String>, HttpError> {
        Ok(Some(self.client.send(Method::Get, "/user", None)?.json::<User>()?.username))
    }

    fn list(&self) -> Result<Vec<Existing>, HttpError> {
        let notes: Vec<Note> =
            self.client.pages(&format!("{}/notes?sort=asc&order_by=created_at", self.path), MAX_PAGES)?;
        let existing = |note: Note| Existing { id: note.id, body: note.body, author: note.author.username, bot: false };
        Ok(notes.into_iter().filter(|note| !note.system).map(existing).collect())
    }

    fn create(&self, body: &str) -> Result<String, HttpError> {
        let path = format!("{}/notes", self.path);
        let made: Note = self.client.send(Method::Post, &path, Some(&json!({"body": body})))?.json()?;
        Ok(made.author.username)
    }

    fn update(&self, id: u64, body: &str) -> Result<(), HttpError> {
        self.client.send(Method::Put, &format!("{}/notes/{id}", self.path), Some(&json!({"body": body}))).map(drop)
    }

    fn delete(&self, id: u64) -> Result<(), HttpError> {
        self.client.send(Method::Delete, &format!("{}/notes/{id}", self.path), None).map(drop)
    }
}
