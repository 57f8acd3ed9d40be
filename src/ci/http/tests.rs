use std::cell::{Cell, RefCell};

use super::*;

/// Answers in turn, and remembers what it was asked.
#[derive(Default)]
struct Script {
    answers: RefCell<Vec<Result<Answer, String>>>,
    asked: RefCell<Vec<String>>,
    slept: Cell<u64>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Result<Answer, String>>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        Self { answers: answers.into(), ..Self::default() }
    }

    fn send(&self, method: Method) -> Result<Answer, HttpError> {
        let token = Secret::new("s3cret".into()).unwrap();
        Client::new(self, self, "https://api.example/v1", token, Vec::new()).unwrap().send(method, "/x", None)
    }
}

impl Transport for Script {
    fn exchange(&self, _: Method, url: &str, _: &[(&str, &str)], _: Option<&[u8]>) -> Result<Answer, String> {
        self.asked.borrow_mut().push(url.to_owned());
        self.answers.borrow_mut().pop().unwrap()
    }
}

impl Clock for Script {
    fn sleep(&self, time: Duration) {
        self.slept.set(self.slept.get() + time.as_secs());
    }

    fn now(&self) -> u64 {
        1000
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Answer, String> {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Ok(Answer { status, headers, body: body.as_bytes().to_vec() })
}

#[test]
fn reading_is_tried_again_with_growing_pauses() {
    let script = Script::new([answer(503, &[], ""), Err("reset".into()), answer(502, &[], ""), answer(200, &[], "")]);
    assert_eq!(script.send(Method::Get).unwrap().status, 200);
    assert_eq!(script.slept.get(), 1 + 2 + 4);
}

#[test]
fn what_may_have_been_created_is_not_created_again() {
    for first in [answer(502, &[], ""), Err("reset after s3cret".into())] {
        let script = Script::new([first]);
        let error = script.send(Method::Post).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn rate_limits_are_waited_for_or_told() {
    let script = Script::new([answer(429, &[("retry-after", "7")], ""), answer(201, &[], "")]);
    assert_eq!(script.send(Method::Post).unwrap().status, 201);
    assert_eq!(script.slept.get(), 7);
    let reset = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1030")];
    let script = Script::new([answer(403, &reset, ""), answer(200, &[], "")]);
    script.send(Method::Get).unwrap();
    assert_eq!(script.slept.get(), 30);
    let script = Script::new([answer(429, &[("retry-after", "3600")], "")]);
    assert!(matches!(script.send(Method::Get), Err(HttpError::RateLimit { seconds: 3600 })));
    assert_eq!(script.slept.get(), 0);
}

/// A server that sends a byte now and then must not hold a run for longer than its time.
#[cfg(feature = "http")]
#[test]
fn all_requests_of_a_run_have_one_time() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\n");
                while stream.write_all(b" ").is_ok() {
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
        }
    });
    let network = Network::new();
    network.spend(BUDGET.saturating_sub(Duration::from_secs(2)));
    let client = Client::new(&network, &SystemClock, &base, Secret::new("x".into()).unwrap(), Vec::new()).unwrap();
    let begun = std::time::Instant::now();
    assert!(client.send(Method::Get, "/x", None).is_err());
    assert!(matches!(client.pages::<Value>("/x", 9), Err(HttpError::Late)));
    assert!(!client.wait(Duration::from_secs(1)));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[test]
fn refusals_are_final() {
    let script = Script::new([answer(403, &[], r#"{"message":"Resource not accessible by integration"}"#)]);
    let error = script.send(Method::Post).unwrap_err();
    assert!(matches!(error, HttpError::Refused { status: 403, .. }), "{error}");
    assert!(error.to_string().contains("Resource not accessible"));
}

#[test]
fn redirects_stay_on_the_server() {
    let to = |place| answer(307, &[("location", place)], "");
    let script = Script::new([to("/v1/repositories/1/x"), answer(200, &[], "")]);
    script.send(Method::Post).unwrap();
    assert_eq!(script.asked.borrow()[1], "https://api.example/v1/repositories/1/x");
    for place in
        ["https://evil.example/", "http://api.example/v1", "//evil.example/x", "https://api.example.evil/", "x"]
    {
        let script = Script::new([to(place)]);
        assert!(script.send(Method::Get).is_err(), "{place}");
        assert_eq!(script.asked.borrow().len(), 1);
    }
}

#[test]
fn tokens_go_to_https_or_to_this_machine() {
    let script = Script::default();
    let client = |base| Client::new(&script, &script, base, Secret::new("x".into()).unwrap(), Vec::new()).is_ok();
    assert!(client("https://api.github.com") && client("http://127.0.0.1:8080/api/v3"));
    for base in
        ["http://api.github.com", "https://a@b", "https://", "ftp://x", "https://x/?y", "http://127.0.0.1.evil.example"]
    {
        assert!(!client(base), "{base}");
    }
}
