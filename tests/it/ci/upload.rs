//! SARIF goes to code scanning without its upload action, and only from a scan that looked at everything.

use std::io::Read as _;

use base64::Engine as _;
use serde_json::{Value, json};

use super::pipeline::{Checkout, Remote};
use super::server::{Fault, Server};
use crate::cli::bytes_of;

fn clone<'r>(remote: &'r Remote, server: &Server) -> Checkout<'r> {
    let clone = remote.checkout("refs/pull/7/merge", 1);
    let clone =
        clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(false)).env("GITHUB_BASE_REF", "main");
    clone.env("GITHUB_API_URL", server.url.clone()).env("GITHUB_TOKEN", "s3cret-token")
}

#[test]
fn the_document_goes_up_for_the_commit_that_was_scanned() {
    let remote = Remote::new();
    let server = Server::start(&remote.feature);
    let told = clone(&remote, &server).ci(&["--comment", "never"]).exits(1);
    assert_eq!(told.output("sarif-id"), "abc-1");
    let asked = server.asked();
    let upload = asked.iter().find(|asked| asked.line == "POST /repos/me/models/code-scanning/sarifs").unwrap();
    assert_eq!(upload.body["commit_sha"], *remote.merge);
    assert_eq!(upload.body["ref"], "refs/pull/7/merge");
    let packed = base64::engine::general_purpose::STANDARD.decode(upload.body["sarif"].as_str().unwrap()).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
    let sarif: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "S101");
    assert_eq!(server.count("GET /repos/me/models/code-scanning/sarifs/abc-1"), 2, "asked until it was processed");
}

#[test]
fn the_head_of_a_request_goes_up_for_its_own_reference() {
    let remote = Remote::new();
    let server = Server::start(&remote.feature);
    let clone = remote.checkout("refs/heads/main", 1);
    let clone = clone
        .github("pull_request_target", "refs/heads/main", &remote.pull_request(true))
        .env("GITHUB_BASE_REF", "main");
    let clone = clone.env("GITHUB_API_URL", server.url.clone()).env("GITHUB_TOKEN", "x");
    server.merge_base(&remote.fork_point);
    clone.ci(&["--comment", "never"]).exits(1);
    let asked = server.asked();
    let upload = asked.iter().find(|asked| asked.line.starts_with("POST")).unwrap();
    assert_eq!((&upload.body["commit_sha"], &upload.body["ref"]), (&json!(remote.feature), &json!("refs/pull/7/head")));
}

#[test]
fn refusals_are_a_note_unless_an_upload_is_demanded() {
    let remote = Remote::with(|feature| feature.write("models/new.pt", bytes_of("safetensors/plain.safetensors")));
    let server = Server::start(&remote.feature);
    let refuse = || server.fault(Fault { status: 403, headers: "", to: "POST" });
    refuse();
    let told = clone(&remote, &server).ci(&["--comment", "never"]).exits(0);
    assert!(told.ran.stderr.contains("note: no upload: the host refuses (403)"), "{}", told.ran.stderr);
    refuse();
    clone(&remote, &server).ci(&["--comment", "never", "--upload-sarif", "always"]).exits(2);
    let before = server.count("POST");
    clone(&remote, &server).ci(&["--comment", "never", "--upload-sarif", "never"]).exits(0);
    assert_eq!(server.count("POST"), before);
}

#[test]
fn nothing_is_uploaded_from_an_incomplete_scan() {
    let remote = Remote::with(|feature| feature.write("models/new.pt", &bytes_of("torch/plain.pt")[..600]));
    let server = Server::start(&remote.feature);
    let told = clone(&remote, &server).ci(&["--comment", "never", "--fail-on", "never"]).exits(2);
    assert!(told.ran.stderr.contains("no upload: the scan is incomplete"), "{}", told.ran.stderr);
    assert_eq!((told.output("verdict"), server.count("POST")), ("incomplete", 0));
    // A limit leaves files out as well.
    let remote = Remote::new();
    let told = clone(&remote, &server).ci(&["--comment", "never", "--max-file-size", "10"]).exits(0);
    assert_eq!((told.output("verdict"), server.count("POST")), ("incomplete", 0));
}
