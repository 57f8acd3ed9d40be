//! One comment a key, kept up to date, on hosts that have pages, limits and refusals.

use serde_json::json;

use super::pipeline::{Checkout, Remote, Told};
use super::server::{BOT, Fault, Server};
use crate::cli::{EVIL, Folder, Run, bytes_of};

const MARKER: &str = "<!-- modelaudit:pr-comment v1 key=default -->";

fn clone<'r>(remote: &'r Remote, server: &Server) -> Checkout<'r> {
    let clone = remote.checkout("refs/pull/7/merge", 1);
    let clone = clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(true));
    clone.env("GITHUB_BASE_REF", "main").env("GITHUB_API_URL", server.url.clone()).env("GITHUB_TOKEN", "s3cret-token")
}

fn run(remote: &Remote, server: &Server, args: &[&str]) -> Told {
    clone(remote, server).ci(&[&["--upload-sarif", "never", "--fail-on", "never"], args].concat()).exits(0)
}

/// A request whose models are in order now.
fn repaired() -> Remote {
    Remote::with(|feature| feature.write("models/new.pt", bytes_of("safetensors/plain.safetensors")))
}

#[test]
fn the_first_run_comments_the_second_edits_and_a_clean_one_says_resolved() {
    let remote = Remote::new();
    let server = Server::start(&remote.feature);
    for n in 0..7 {
        server.comment("somebody", &format!("comment {n}"));
    }
    // Others can write the marker too.
    server.comment("mallory", MARKER);
    assert_eq!(run(&remote, &server, &[]).output("comment"), "created");
    let comments = server.comments();
    assert_eq!(comments.len(), 9);
    assert_eq!(comments[8].0, BOT);
    assert!(comments[8].1.starts_with(MARKER) && comments[8].1.contains("S101"), "{}", comments[8].1);
    assert_eq!(comments[7].1, MARKER, "not ours");
    // The comment is on the third page by now.
    assert_eq!(run(&remote, &server, &["--reproducible"]).output("comment"), "updated");
    assert_eq!(run(&remote, &server, &["--reproducible"]).output("comment"), "unchanged");
    assert_eq!(server.comments().len(), 9);
    assert!(server.asked().iter().all(|asked| !asked.line.contains("evil.example")));

    let remote = repaired();
    let server2 = Server::start(&remote.feature);
    for (author, body) in server.comments() {
        server2.comment(&author, &body);
    }
    assert_eq!(run(&remote, &server2, &[]).output("comment"), "updated");
    let text = &server2.comments()[8].1;
    assert!(text.contains("resolved") && !text.contains("S101"), "{text}");
}

#[test]
fn a_clean_run_says_nothing_unless_asked_to() {
    let remote = repaired();
    let server = Server::start(&remote.feature);
    assert_eq!(run(&remote, &server, &[]).output("comment"), "none");
    assert!(server.comments().is_empty());
    assert_eq!(run(&remote, &server, &["--comment", "always"]).output("comment"), "created");
    assert_eq!(run(&remote, &server, &["--comment", "never"]).output("comment"), "none");
}

#[test]
fn a_change_of_settings_is_told_whatever_was_found() {
    let remote = Remote::with(|feature| feature.write(".modelaudit.toml", "strict = false\n"));
    let server = Server::start(&remote.feature);
    assert_eq!(run(&remote, &server, &[]).output("comment"), "created");
    assert!(server.comments()[0].1.contains("touches the settings"), "{}", server.comments()[0].1);
}

#[test]
fn each_key_has_its_comment_and_no_more_than_one() {
    let remote = Remote::new();
    let server = Server::start(&remote.feature);
    run(&remote, &server, &["--comment-key", "text"]);
    run(&remote, &server, &["--comment-key", "vision --> x"]);
    assert_eq!(server.comments().len(), 2);
    assert!(server.comments()[1].1.starts_with("<!-- modelaudit:pr-comment v1 key=vision-x -->"));
    // Two runs at once each found none.
    server.comment(BOT, "<!-- modelaudit:pr-comment v1 key=text -->\nagain");
    run(&remote, &server, &["--comment-key", "text"]);
    assert_eq!(server.comments().len(), 2);
}

#[test]
fn a_comment_belongs_to_the_account_of_the_token() {
    let remote = Remote::new();
    // Who may write here may change what others wrote: the marker alone gives nobody's comment away.
    let server = Server::start(&remote.feature);
    server.comment("mallory", MARKER).comment("other[bot]", MARKER);
    assert_eq!(run(&remote, &server, &[]).output("comment"), "created");
    assert_eq!(run(&remote, &server, &["--reproducible"]).output("comment"), "updated");
    let authors: Vec<String> = server.comments().into_iter().map(|(author, _)| author).collect();
    assert_eq!(authors, ["mallory", "other[bot]", BOT]);
    assert!(server.comments()[..2].iter().all(|(_, body)| body == MARKER), "{:?}", server.comments());
    // Another app, under either spelling of its name, and a person of that name.
    for name in ["scanner", "scanner[bot]"] {
        let server = Server::start(&remote.feature);
        server.app(name).comment(BOT, MARKER).comment("scanner", MARKER).comment("scanner[bot]", MARKER);
        assert_eq!(run(&remote, &server, &[]).output("comment"), "updated");
        let comments = server.comments();
        assert!(comments.len() == 3 && comments[..2].iter().all(|(_, body)| body == MARKER), "{comments:?}");
        assert!(comments[2].1.contains("S101"));
    }
    let server = Server::start(&remote.feature);
    server.person("Carol").comment(BOT, MARKER).comment("carol", MARKER);
    assert_eq!(run(&remote, &server, &[]).output("comment"), "updated");
    assert_eq!((server.comments()[0].1.as_str(), server.count("POST /graphql")), (MARKER, 0));
}

#[test]
fn an_app_whose_name_is_not_told_replaces_its_comment() {
    let remote = Remote::new();
    let server = Server::start(&remote.feature);
    server.comment("other[bot]", MARKER).comment("mallory", MARKER);
    for done in ["created", "updated"] {
        server.fault(Fault { status: 403, headers: "", to: "POST /graphql" });
        // The first fault in the list is waited for.
        assert_eq!(run(&remote, &server, &[]).output("comment"), done);
    }
    let comments = server.comments();
    assert_eq!(comments.iter().map(|(author, _)| author.as_str()).collect::<Vec<_>>(), ["other[bot]", "mallory", BOT]);
    assert!(comments[..2].iter().all(|(_, body)| body == MARKER) && comments[2].1.contains("S101"), "{comments:?}");
}

#[test]
fn refusals_on_forks_are_a_note() {
    let remote = Remote::new();
    let server = Server::start(&remote.feature);
    server.fault(Fault { status: 403, headers: "", to: "POST /repos" });
    let told = clone(&remote, &server).ci(&["--upload-sarif", "never"]).exits(1);
    assert!(told.ran.stderr.contains("note: no comment: the host refuses (403)"), "{}", told.ran.stderr);
    assert!(told.ran.stderr.contains("modelaudit ci comment"), "{}", told.ran.stderr);
    assert!(!told.ran.stderr.contains("s3cret") && !told.ran.stdout.contains("s3cret"));
}

#[test]
fn pauses_that_the_host_asks_for_are_kept() {
    let remote = Remote::new();
    let server = Server::start(&remote.feature);
    server.fault(Fault { status: 429, headers: "retry-after: 1\r\n", to: "GET /repos" });
    server.fault(Fault { status: 503, headers: "", to: "GET /repos" });
    server.fault(Fault {
        status: 403,
        headers: "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1\r\n",
        to: "POST /repos",
    });
    assert_eq!(run(&remote, &server, &[]).output("comment"), "created");
    let server = Server::start(&remote.feature);
    server.fault(Fault { status: 429, headers: "retry-after: 86400\r\n", to: "GET /repos" });
    let told = run(&remote, &server, &[]).explains("rate limit is used up for 86400 s");
    assert_eq!(told.output("comment"), "none");
}

#[test]
fn the_token_goes_nowhere_else() {
    let remote = Remote::new();
    let elsewhere = Server::start(&remote.feature);
    let server = Server::start(&remote.feature);
    let location: &'static str = format!("location: {}/x\r\n", elsewhere.url).leak();
    server.fault(Fault { status: 302, headers: location, to: "GET" });
    run(&remote, &server, &[]).explains("redirects to");
    assert!(elsewhere.asked().is_empty());
    assert!(server.asked()[0].headers.iter().any(|header| header == "authorization: bearer s3cret-token"));
    let clone = clone(&remote, &server).env("GITHUB_API_URL", "http://api.example.org");
    clone.ci(&["--upload-sarif", "never"]).exits(1).explains("it is not HTTPS");
}

#[test]
fn a_run_that_was_overtaken_is_silent() {
    let remote = Remote::new();
    let server = Server::start(&"9".repeat(40));
    run(&remote, &server, &[]).explains("the request is at 9999999999");
    assert!(server.comments().is_empty());
}

#[test]
fn what_files_hold_stays_text_and_the_comment_stays_small() {
    let name = "models/](http://x)<img src=x>@team `#1`|.pt";
    let remote = Remote::with(|feature| {
        feature.write(name, bytes_of(EVIL));
        for n in 0..900 {
            feature.write(&format!("models/{n:0>190}.pkl"), b"cos\nsystem\n(S'true'\ntR.");
        }
    });
    let server = Server::start(&remote.feature);
    run(&remote, &server, &[]);
    let text = &server.comments()[0].1;
    assert!(text.len() <= 65_536 && text.contains("more findings"), "{} bytes", text.len());
    assert!(!text.contains("<img src=x>@team `#1`") || text.contains("`models/"), "only as code");
}

#[test]
fn the_host_is_asked_for_the_merge_base_of_a_shallow_clone() {
    let remote = Remote::new();
    let server = Server::start(&remote.feature);
    server.merge_base(&remote.fork_point);
    let clone = remote.checkout("refs/pull/7/head", 1);
    let clone =
        clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(false)).env("GITHUB_BASE_REF", "main");
    let clone = clone.env("GITHUB_API_URL", server.url.clone()).env("GITHUB_TOKEN", "x");
    let told = clone
        .ci(&["--comment", "never", "--upload-sarif", "never"])
        .exits(1)
        .explains("the host says that this is the merge base");
    assert_eq!((told.diff("merge_base"), told.scanned()), (&*remote.fork_point, vec!["models/new.pt"]));
    assert_eq!(server.count(&format!("GET /repos/me/models/compare/main...{}", remote.feature)), 1);
}

#[test]
fn merge_requests_have_one_note() {
    let remote = Remote::new();
    let server = Server::start(&remote.feature);
    let gitlab = |token: &str| {
        let clone =
            remote.checkout("refs/heads/feature", 0).env("GITLAB_CI", "true").env("CI_API_V4_URL", server.url.clone());
        let clone = clone.env("CI_PIPELINE_SOURCE", "merge_request_event").env("CI_MERGE_REQUEST_IID", "7");
        let clone = clone.env("CI_MERGE_REQUEST_PROJECT_ID", "12").env("CI_COMMIT_SHA", remote.feature.clone());
        clone.env("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main").env("GITLAB_TOKEN", token)
    };
    let told = gitlab("").ci(&[]).exits(1);
    assert!(told.ran.stderr.contains("CI_JOB_TOKEN may not write notes"), "{}", told.ran.stderr);
    gitlab("glpat").ci(&[]).exits(1).explains("comment: created");
    for n in 0..4 {
        server.comment("somebody", &n.to_string());
    }
    gitlab("glpat").ci(&["--severity", "S101=high"]).exits(1).explains("comment: updated");
    assert_eq!(server.comments().len(), 5);
    assert_eq!(server.count("PUT /projects/12/merge_requests/7/notes/100"), 1);
}

#[test]
fn the_second_workflow_comments_with_a_saved_report_on_the_request_that_the_host_names() {
    let remote = Remote::new();
    let server = Server::start(&remote.feature);
    server.pull(5, &"1".repeat(40)).pull(7, &remote.feature);
    let folder = Folder::new().with(EVIL, "x.pt");
    folder.scan().args(["--json", "report.json"]).run().exits(1);
    let payload = json!({"workflow_run": {
        "head_sha": remote.feature, "head_branch": "feature", "head_repository": {"owner": {"login": "fork"}},
    }});
    std::fs::write(folder.file("event.json"), payload.to_string()).unwrap();
    let comment = |args: &[&str]| {
        let run = Run::new("ci").arg("comment").arg("--explain").args(args).dir(&folder.path());
        let run = run.env("GITHUB_ACTIONS", "true").env("GITHUB_EVENT_NAME", "workflow_run");
        let run = run.env("GITHUB_EVENT_PATH", folder.file("event.json").to_str().unwrap());
        run.env("GITHUB_REPOSITORY", "me/models").env("GITHUB_API_URL", &server.url).env("GITHUB_TOKEN", "x").run()
    };
    comment(&["--from", "report.json"]).exits(0).warns("comment: created");
    let text = &server.comments()[0].1;
    assert!(text.contains("S101") && text.contains("From the report of a run without rights here"), "{text}");
    assert_eq!(server.count("GET /repos/me/models/pulls?state=open&head=fork%3Afeature"), 1);
    // A number that somebody gives must be of a request at that commit.
    comment(&["--from", "report.json", "--pr", "7", "--head", &"3".repeat(40)])
        .exits(0)
        .warns("no comment: the request is at");
    std::fs::write(folder.file("event.json"), "{}").unwrap();
    comment(&["--from", "report.json"]).exits(2).warns("is not known");
    // What is no report is not sent.
    std::fs::write(folder.file("bad.json"), r#"{"schema_version": 1, "html": "<script>"}"#).unwrap();
    comment(&["--from", "bad.json", "--pr", "7", "--head", &remote.feature]).exits(2);
    assert_eq!(server.comments().len(), 1);
}
