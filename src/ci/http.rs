//! Requests to the host of the pipeline: one server, one token, bounded in time and size.
//!
//! What is worth another try is decided here and nowhere else. A request that may have had its effect is not repeated.
//! The token goes to the server that the environment names and is taken out of every message; a redirect to another
//! server is refused.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::environment::Secret;
use crate::escape::printable;

/// Largest answer that is read.
pub const MAX_ANSWER: u64 = 16 << 20;
/// Tries of one request.
const TRIES: u32 = 5;
/// Redirects of one request.
const MAX_REDIRECTS: u32 = 3;
/// Time for all requests of a run, pauses and polls among them: a server that is slow or hostile stalls no job for
/// longer, and that costs more than a missing comment.
const BUDGET: Duration = Duration::from_mins(1);

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates.
    Post,
    /// Changes, on GitHub.
    Patch,
    /// Changes, on GitLab.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// The word of the protocol.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// One answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// At most [`MAX_ANSWER`] bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn seconds(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// True if the list goes on after this page.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.header("link").is_some_and(|links| links.contains("rel=\"next\""))
    }

    /// The answer as data.
    ///
    /// # Errors
    /// It is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| HttpError::Unexpected { what: error.to_string() })
    }
}

/// Why there is no answer that helps.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Built without the feature.
    #[error("this build has no network\nhelp: install a build with the feature `http`")]
    NotBuilt,
    /// The address cannot be used.
    #[error("{url} is not an address for a token: {why}")]
    Address {
        /// As given.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The server refuses.
    #[error("the host refuses ({status}): {message}")]
    Refused {
        /// 401, 403, 404.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The server wants a long pause.
    #[error("the host's rate limit is used up for {seconds} s")]
    RateLimit {
        /// Seconds to wait.
        seconds: u64,
    },
    /// Any other status.
    #[error("the host answers {status}: {message}")]
    Status {
        /// The code.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The run has spent its time on this host.
    #[error("the host is too slow: the time for all requests of a run is used up")]
    Late,
    /// Nothing arrived.
    #[error("the host cannot be reached: {what}")]
    Transport {
        /// What the network said.
        what: String,
    },
    /// An answer of another shape.
    #[error("the host's answer is not understood: {what}")]
    Unexpected {
        /// What is wrong with it.
        what: String,
    },
}

/// Sends one request and reads one answer, without any policy.
pub trait Transport {
    /// Exchanges. `sent` in the error says whether the request may have arrived.
    ///
    /// # Errors
    /// What the network said.
    fn exchange(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, String>;

    /// What is left of the time for all requests of this run.
    fn left(&self) -> Duration {
        BUDGET
    }

    /// Takes a pause off that time.
    fn spend(&self, _: Duration) {}
}

/// Time, so that tests need not wait.
pub trait Clock {
    /// Waits.
    fn sleep(&self, time: Duration);
    /// Seconds since 1970.
    fn now(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn now(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }
}

/// One server's API with one token.
pub struct Client<'a> {
    transport: &'a dyn Transport,
    clock: &'a dyn Clock,
    base: String,
    headers: Vec<(&'static str, String)>,
    token: Secret,
}

impl<'a> Client<'a> {
    /// An API at `base`, with the headers of every request.
    ///
    /// # Errors
    /// The address is not one to send a token to: only HTTPS is, and this machine itself.
    pub fn new(
        transport: &'a dyn Transport,
        clock: &'a dyn Clock,
        base: &str,
        token: Secret,
        headers: Vec<(&'static str, String)>,
    ) -> Result<Self, HttpError> {
        let base = base.trim_end_matches('/').to_owned();
        let bad = |why| HttpError::Address { url: printable(&base, 200), why };
        let host = origin(&base).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        let Some(host) = host else { return Err(bad("no server is named")) };
        if host.contains('@') || base.contains(['?', '#']) || base.contains(char::is_whitespace) {
            return Err(bad("it has more than a server and a path"));
        }
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let local = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
        let allowed = base.starts_with("https://") || (local && base.starts_with("http://"));
        if !allowed {
            return Err(bad("it is not HTTPS"));
        }
        Ok(Self { transport, clock, base, headers, token })
    }

    /// Sends a request for `path` and gives its answer of success.
    ///
    /// # Errors
    /// No such answer came, after as many tries as make sense.
    pub fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, HttpError> {
        let body = body.map(|body| body.to_string().into_bytes());
        let mut url = format!("{}{path}", self.base);
        let (mut tries, mut redirects) = (0_u32, 0_u32);
        loop {
            tries += 1;
            if self.transport.left().is_zero() {
                return Err(HttpError::Late);
            }
            let pause = match self.once(method, &url, body.as_deref()) {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
                Ok(answer) if answer.header("location").is_some() && (300..400).contains(&answer.status) => {
                    redirects += 1;
                    url = self.redirected(method, &url, &answer)?;
                    if redirects > MAX_REDIRECTS {
                        return Err(HttpError::Unexpected { what: "too many redirects".into() });
                    }
                    continue;
                }
                Ok(answer) => match self.pause(method, &answer, tries) {
                    Some(pause) if tries < TRIES && pause <= self.transport.left() => pause,
                    Some(pause) if answer.status == 429 || answer.status == 403 => {
                        return Err(HttpError::RateLimit { seconds: pause.as_secs() });
                    }
                    _ => return Err(self.failure(&answer)),
                },
                // Whether a request that changes something arrived is not known.
                Err(_) if tries < TRIES && matches!(method, Method::Get | Method::Put | Method::Patch) => {
                    backoff(tries)
                }
                Err(what) => return Err(HttpError::Transport { what: self.clean(&what) }),
            };
            if !self.wait(pause) {
                return Err(HttpError::Late);
            }
        }
    }

    /// All items of a list that comes in pages.
    ///
    /// # Errors
    /// Those of a request.
    pub fn pages<T: DeserializeOwned>(&self, path: &str, most: u32) -> Result<Vec<T>, HttpError> {
        let mut items = Vec::new();
        let separator = if path.contains('?') { '&' } else { '?' };
        for page in 1..=most {
            let answer = self.send(Method::Get, &format!("{path}{separator}per_page=100&page={page}"), None)?;
            items.extend(answer.json::<Vec<T>>()?);
            if !answer.has_next() {
                break;
            }
        }
        Ok(items)
    }

    /// Waits for something that the host works on, if there is time for that.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let waits = time <= self.transport.left();
        if waits {
            self.clock.sleep(time);
            self.transport.spend(time);
        }
        waits
    }

    fn once(&self, method: Method, url: &str, body: Option<&[u8]>) -> Result<Answer, String> {
        let mut headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        self.transport.exchange(method, url, &headers, body)
    }

    /// How long to wait before another try of a request that got this answer; None: another try is of no use.
    fn pause(&self, method: Method, answer: &Answer, tries: u32) -> Option<Duration> {
        let limited = answer.status == 429
            || answer.status == 403
                && (answer.header("retry-after").is_some() || answer.header("x-ratelimit-remaining") == Some("0"));
        if limited {
            let until = |name| Some(answer.seconds(name)?.saturating_sub(self.clock.now()));
            let asked = answer
                .seconds("retry-after")
                .or_else(|| until("x-ratelimit-reset"))
                .or_else(|| until("ratelimit-reset"));
            return Some(asked.map_or_else(|| backoff(tries), |seconds| Duration::from_secs(seconds.max(1))));
        }
        let again = match answer.status {
            503 => true,
            // It may have had its effect.
            500 | 502 | 504 => method != Method::Post,
            _ => false,
        };
        again.then(|| answer.seconds("retry-after").map_or_else(|| backoff(tries), Duration::from_secs))
    }

    /// Where a redirect leads, if that is the same server.
    fn redirected(&self, method: Method, from: &str, answer: &Answer) -> Result<String, HttpError> {
        let to = answer.header("location").unwrap_or_default();
        let keeps = method == Method::Get || matches!(answer.status, 307 | 308);
        let origin_of = |url| origin(url).map(str::to_ascii_lowercase);
        let url = match to.strip_prefix('/') {
            Some(rest) if !rest.starts_with('/') => format!("{}{to}", origin(from).unwrap_or_default()),
            _ => to.to_owned(),
        };
        if !keeps || origin_of(&url).is_none() || origin_of(&url) != origin_of(&self.base) {
            let what = format!("it redirects to {}", self.clean(to));
            return Err(HttpError::Unexpected { what });
        }
        Ok(url)
    }

    fn failure(&self, answer: &Answer) -> HttpError {
        let message = serde_json::from_slice::<Value>(&answer.body).ok();
        let message = message.as_ref().and_then(|json| json.get("message").or_else(|| json.get("error")));
        let message = message.map_or_else(String::new, |message| match message.as_str() {
            Some(text) => text.to_owned(),
            None => message.to_string(),
        });
        let (status, message) = (answer.status, self.clean(&message));
        match status {
            401 | 403 | 404 => HttpError::Refused { status, message },
            status => HttpError::Status { status, message },
        }
    }

    fn clean(&self, text: &str) -> String {
        printable(&self.token.redact(text), 300)
    }
}

/// Pauses that double from one second.
fn backoff(tries: u32) -> Duration {
    Duration::from_secs(1_u64.checked_shl(tries.saturating_sub(1)).unwrap_or(16).min(16))
}

/// Scheme, server and port of an address.
fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    url.get(..scheme.len() + 3 + host.len())
}

/// The network, over TLS with the certificates of this program.
#[derive(Debug, Clone, Default)]
pub struct Network {
    #[cfg(feature = "http")]
    agent: Option<ureq::Agent>,
    /// Time that requests and pauses have taken. What is done between them does not count.
    #[cfg(feature = "http")]
    spent: std::cell::Cell<Duration>,
}

impl Network {
    /// A connection to nowhere yet.
    #[must_use]
    pub fn new() -> Self {
        #[cfg(feature = "http")]
        {
            let config = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .timeout_connect(Some(Duration::from_secs(10)))
                .user_agent(concat!("modelaudit/", env!("CARGO_PKG_VERSION")))
                .build();
            Self { agent: Some(config.into()), spent: std::cell::Cell::default() }
        }
        #[cfg(not(feature = "http"))]
        Self {}
    }

    /// False if this build has no network.
    #[must_use]
    pub const fn is_built() -> bool {
        cfg!(feature = "http")
    }
}

#[cfg(feature = "http")]
impl Transport for Network {
    fn exchange(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, String> {
        let begun = std::time::Instant::now();
        let answer = self.exchanged(method, url, headers, body);
        self.spend(begun.elapsed());
        answer
    }

    fn left(&self) -> Duration {
        BUDGET.saturating_sub(self.spent.get())
    }

    fn spend(&self, time: Duration) {
        self.spent.set(self.spent.get().saturating_add(time));
    }
}

#[cfg(feature = "http")]
impl Network {
    fn exchanged(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, String> {
        let agent = self.agent.as_ref().ok_or("no network")?;
        let left = Some(self.left());
        let mut request = ureq::http::Request::builder().method(method.as_str()).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(body) => request
                .body(body)
                .map_err(|error| error.to_string())
                .map(|request| agent.run(agent.configure_request(request).timeout_global(left).build())),
            None => request
                .body(())
                .map_err(|error| error.to_string())
                .map(|request| agent.run(agent.configure_request(request).timeout_global(left).build())),
        };
        let mut answer = answer?.map_err(|error| error.to_string())?;
        let text = |value: &ureq::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        Ok(Answer { status, headers, body: body.map_err(|error| error.to_string())? })
    }
}

#[cfg(not(feature = "http"))]
impl Transport for Network {
    fn exchange(&self, _: Method, _: &str, _: &[(&str, &str)], _: Option<&[u8]>) -> Result<Answer, String> {
        Err(HttpError::NotBuilt.to_string())
    }
}

#[cfg(test)]
mod tests;
