//! A server on this machine that speaks as much of the hosts' APIs as comments and uploads need.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Value,
}

/// An answer to give before all others.
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) headers: &'static str,
    /// Only to requests whose line begins like this.
    pub(crate) to: &'static str,
}

#[derive(Default)]
struct State {
    comments: Vec<Value>,
    next: u64,
    asked: Vec<Asked>,
    faults: VecDeque<Fault>,
    head: String,
    merge_base: String,
    pulls: Vec<Value>,
    polls: u32,
    /// The app whose token asks; its name as GraphQL tells it.
    app: String,
    /// The person whose token asks, if it is not an app's.
    person: Option<String>,
}

/// The server; it ends with the test.
#[derive(Clone)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    pub(crate) url: String,
}

/// The account of the tokens of workflows.
pub(crate) const BOT: &str = "github-actions[bot]";

/// Comments on one page, whatever the client asks for: more than one page in every test with a few.
const PAGE: usize = 3;

impl Server {
    /// Starts one; the request is at `head`.
    pub(crate) fn start(head: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state =
            Arc::new(Mutex::new(State { head: head.to_owned(), next: 100, app: BOT.to_owned(), ..State::default() }));
        let server = Self { state, url };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serving.serve(stream);
            }
        });
        server
    }

    pub(crate) fn comment(&self, author: &str, body: &str) -> &Self {
        let mut state = self.state.lock().unwrap();
        let id = state.next;
        state.next += 1;
        state.comments.push(note(id, author, body));
        drop(state);
        self
    }

    /// The token is another app's than that of a workflow.
    pub(crate) fn app(&self, name: &str) -> &Self {
        name.clone_into(&mut self.state.lock().unwrap().app);
        self
    }

    /// The token is a person's.
    pub(crate) fn person(&self, name: &str) -> &Self {
        self.state.lock().unwrap().person = Some(name.to_owned());
        self
    }

    pub(crate) fn fault(&self, fault: Fault) -> &Self {
        self.state.lock().unwrap().faults.push_back(fault);
        self
    }

    pub(crate) fn pull(&self, number: u64, sha: &str) -> &Self {
        self.state.lock().unwrap().pulls.push(json!({"number": number, "head": {"sha": sha}}));
        self
    }

    pub(crate) fn merge_base(&self, id: &str) -> &Self {
        id.clone_into(&mut self.state.lock().unwrap().merge_base);
        self
    }

    /// The comments as `author: first line`, and their texts.
    pub(crate) fn comments(&self) -> Vec<(String, String)> {
        let state = self.state.lock().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        state.comments.iter().map(|one| (text(&one["user"]["login"]), text(&one["body"]))).collect()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// How many requests begin like this.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.asked().iter().filter(|asked| asked.line.starts_with(line)).count()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut headers = Vec::new();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            headers.push(header);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let asked = Asked { line, headers, body };
        let (status, more, answer) = self.answer(&asked);
        let text = if answer.is_null() { String::new() } else { answer.to_string() };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{more}\r\n", text.len());
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes()));
    }

    fn answer(&self, asked: &Asked) -> (u16, String, Value) {
        let mut state = self.state.lock().unwrap();
        state.asked.push(asked.clone());
        if state.faults.front().is_some_and(|fault| asked.line.starts_with(fault.to)) {
            let fault = state.faults.pop_front().unwrap();
            return (
                fault.status,
                fault.headers.to_owned(),
                json!({"message": "Resource not accessible by integration"}),
            );
        }
        let (method, target) = asked.line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            // The token of a workflow is nobody's on GitHub.
            ("GET", ["user"]) if asked.headers.iter().any(|header| header.starts_with("private-token")) => {
                (200, String::new(), json!({"username": "project_bot"}))
            }
            ("GET", ["user"]) if state.person.is_some() => (200, String::new(), json!({"login": state.person})),
            ("POST", ["graphql"]) => (200, String::new(), json!({"data": {"viewer": {"login": state.app}}})),
            ("GET", ["user"]) => (403, String::new(), json!({"message": "Resource not accessible by integration"})),
            ("GET", ["repos", _, _, "pulls", _]) => {
                (200, String::new(), json!({"number": 7, "head": {"sha": state.head}}))
            }
            ("GET", ["repos", _, _, "pulls"]) => (200, String::new(), json!(state.pulls)),
            ("GET", ["repos", _, _, "compare", _]) => {
                (200, String::new(), json!({"merge_base_commit": {"sha": state.merge_base}}))
            }
            ("GET", ["projects", _, "merge_requests", _]) => (200, String::new(), json!({"sha": state.head})),
            ("GET", ["repos", _, _, "issues", _, "comments"] | ["projects", _, "merge_requests", _, "notes"]) => {
                let page: usize = query.rsplit_once("page=").map_or(1, |(_, page)| page.parse().unwrap());
                let items: Vec<Value> = state.comments.iter().skip((page - 1) * PAGE).take(PAGE).cloned().collect();
                let more = state.comments.len() > page * PAGE;
                let link = if more { "link: <http://evil.example/next>; rel=\"next\"\r\n" } else { "" };
                (200, link.to_owned(), json!(items))
            }
            ("POST", ["repos", _, _, "issues", _, "comments"]) => {
                let name = format!("{}[bot]", state.app.trim_end_matches("[bot]"));
                let name = state.person.clone().unwrap_or(name);
                create(&mut state, &name, asked)
            }
            ("POST", ["projects", _, "merge_requests", _, "notes"]) => create(&mut state, "project_bot", asked),
            ("PATCH" | "PUT", [.., id]) => {
                let id: u64 = id.parse().unwrap();
                let comment = state.comments.iter_mut().find(|one| one["id"] == id).unwrap();
                comment["body"] = asked.body["body"].clone();
                (200, String::new(), comment.clone())
            }
            ("DELETE", [.., id]) => {
                let id: u64 = id.parse().unwrap();
                state.comments.retain(|one| one["id"] != id);
                (204, String::new(), Value::Null)
            }
            ("POST", ["repos", _, _, "code-scanning", "sarifs"]) => (202, String::new(), json!({"id": "abc-1"})),
            ("GET", ["repos", _, _, "code-scanning", "sarifs", _]) => {
                state.polls += 1;
                let status = if state.polls > 1 { "complete" } else { "pending" };
                (200, String::new(), json!({"processing_status": status, "errors": null}))
            }
            _ => (404, String::new(), json!({"message": "Not Found"})),
        }
    }
}

fn create(state: &mut State, author: &str, asked: &Asked) -> (u16, String, Value) {
    let id = state.next;
    state.next += 1;
    let comment = note(id, author, asked.body["body"].as_str().unwrap());
    state.comments.push(comment.clone());
    (201, String::new(), comment)
}

/// A comment in the words of both hosts.
fn note(id: u64, author: &str, body: &str) -> Value {
    let kind = if author.ends_with("[bot]") { "Bot" } else { "User" };
    json!({"id": id, "body": body, "user": {"login": author, "type": kind}, "author": {"username": author}})
}
