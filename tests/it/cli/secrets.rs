//! Credentials of a scanned file are in no output.

use super::{Folder, Ran, bytes_of};
use crate::ci::pipeline::Remote;

const FORMATS: [&str; 9] =
    ["text", "json", "sarif", "cyclonedx", "markdown", "gitlab-sast", "gitlab-codequality", "github", "junit"];

/// Commands with a credential, and the part of it that must not be shown. Put together here, so that no service that
/// looks through repositories takes them for real.
fn commands() -> Vec<(String, String)> {
    let random = |n: usize| "aB3dE5gH7jK9mN2pQ4sT6vW8xZ".chars().cycle().skip(1).take(n).collect::<String>();
    let jwt = format!("hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{}", random(43));
    let tokens = [
        ("ghp_", random(36)),
        ("github_pat_", format!("{}_{}", random(22), random(59))),
        ("AKIA", "IOSFODNN6EXAMPLE".to_owned()),
        ("hf_", random(34)),
        ("xoxb-", format!("123456789012-1234567890123-{}", random(24))),
        ("glpat-", random(20)),
        ("sk-", random(48)),
        ("sk-proj-", random(48)),
        ("AIza", random(35)),
        ("npm_", random(36)),
        ("pypi-AgE", random(70)),
        ("eyJ", jwt),
        ("Bearer ", random(30)),
        ("-----BEGIN PRIVATE KEY-----\n", format!("{}\n-----END PRIVATE KEY-----", random(64))),
        ("https://user:", "hunter2hunter2@example.org".to_owned()),
    ];
    let mut commands = Vec::new();
    for (prefix, rest) in tokens {
        // The header of a JSON Web Token is none of its secrets.
        let told = rest.rsplit('.').find(|part| part.len() >= 16).unwrap_or(&rest);
        let told = told.chars().skip(5).take(8).collect::<String>();
        // Whole, and cut by the length of what is shown of a string and of a call.
        for filling in [0, 30, 55] {
            let command = format!("curl {} -H 'Authorization: token {prefix}{rest}'", "x".repeat(filling));
            commands.push((command, told.clone()));
        }
    }
    commands
}

/// `os.system` with each command, one after the other, and the commands as data.
fn pickle(commands: &[(String, String)]) -> Vec<u8> {
    let mut bytes = b"\x80\x04".to_vec();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.push(b'X');
        bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    for (index, (command, _)) in commands.iter().enumerate() {
        bytes.extend(if index % 2 == 0 { &b"cos\nsystem\n"[..] } else { b"csubprocess\ngetoutput\n" });
        text(&mut bytes, command);
        bytes.extend(b"\x85R0");
        text(&mut bytes, command);
        bytes.push(b'0');
    }
    bytes.extend(b"N.");
    bytes
}

fn safetensors(commands: &[(String, String)]) -> Vec<u8> {
    let metadata: serde_json::Map<String, serde_json::Value> = commands
        .iter()
        .enumerate()
        .map(|(index, (command, _))| (format!("key-{index}"), command.as_str().into()))
        .collect();
    let header = serde_json::json!({ "__metadata__": metadata }).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
}

fn tells_nothing(ran: &Ran, commands: &[(String, String)], what: &str) {
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    let flat: String = shown.split_whitespace().collect();
    for (command, told) in commands {
        assert!(!shown.contains(told) && !flat.contains(told), "{what} shows {told} of {command}:\n{shown}");
    }
}

#[test]
fn no_output_tells_a_credential() {
    let commands = commands();
    // Every command is also the text of a finding.
    let mut folder = Folder::new()
        .write(".modelaudit.toml", "[custom_patterns]\npatterns = ['curl']\n")
        .write("m.safetensors", safetensors(&commands))
        .write("all.pkl", pickle(&commands));
    // A call of its own for each: findings of one file show their first occurrence.
    for (index, command) in commands.iter().enumerate() {
        folder = folder.write(&format!("m{index}.pkl"), pickle(std::slice::from_ref(command)));
    }
    for format in FORMATS {
        let ran = folder.scan().args(["--format", format, "."]).run().exits(1);
        tells_nothing(&ran, &commands, format);
        if !matches!(format, "cyclonedx" | "gitlab-codequality" | "github") {
            assert!(ran.stdout.contains("[redacted]"), "{format}:\n{}", ran.stdout);
        }
    }
    for file in ["all.pkl", "m.safetensors"] {
        let ran = folder.run("inspect").arg(file).run().exits(0);
        tells_nothing(&ran, &commands, "inspect");
        assert!(ran.stdout.contains("ghp_…[redacted]"), "{}", ran.stdout);
    }
}

/// A token put together here, as in [`commands`].
fn token() -> String {
    format!("ghp{}{}", '_', "aB3dE5gH7jK9mN2pQ4sT6vW8xZ0cF1hL5nR7")
}

/// Names with a token: of a file with a finding, of one that cannot be read, of one of a format that is not read, of
/// members; and two that differ in the token only.
fn names() -> [(String, Vec<u8>); 5] {
    let token = token();
    let other = token.replace("aB3", "zY9");
    let cut = bytes_of(super::EVIL);
    [
        (format!("models/{token}.pt"), bytes_of(super::EVIL)),
        (format!("models/{other}.pt"), bytes_of(super::EVIL)),
        (format!("{token}/cut.pt"), cut[..cut.len() / 2].to_vec()),
        (format!("{token}.onnx"), b"no model".to_vec()),
        (format!("zip/{token}.zip"), zip(&format!("{token}.pkl"), b"cos\nsystem\n(S'x'\ntR")),
    ]
}

/// A zip archive of one stored member.
fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let (length, size) = (u16::try_from(name.len()).unwrap(), u32::try_from(content.len()).unwrap());
    let mut sum = flate2::Crc::new();
    sum.update(content);
    let common = [
        &20_u16.to_le_bytes()[..],
        &[0; 4],
        &[0, 0, 0x21, 0],
        &sum.sum().to_le_bytes(),
        &size.to_le_bytes(),
        &size.to_le_bytes(),
        &length.to_le_bytes(),
        &[0; 2],
    ]
    .concat();
    let local = [&b"PK\x03\x04"[..], &common, name.as_bytes(), content].concat();
    let entry = [&b"PK\x01\x02\x14\0"[..], &common, &[0; 14], name.as_bytes()].concat();
    let mut end = b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec();
    end.extend(u32::try_from(entry.len()).unwrap().to_le_bytes());
    end.extend(u32::try_from(local.len()).unwrap().to_le_bytes());
    [local, entry, end, vec![0; 2]].concat()
}

#[test]
fn no_output_tells_a_credential_in_a_name() {
    let mut folder = Folder::new().write("models/ghp_…[redacted].pt", bytes_of(super::EVIL));
    for (name, bytes) in names() {
        folder = folder.write(&name, bytes);
    }
    let told = [("name".to_owned(), token()[8..24].to_owned())];
    for format in FORMATS {
        let ran = folder.scan().args(["-v", "--exclude", &format!("*{}*.x", token()), "--format", format, "."]).run();
        tells_nothing(&ran.exits(1), &told, format);
    }
    let report = folder.scan().args(["-f", "json"]).run().exits(1).json();
    let paths: Vec<&str> =
        report["assets"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    // Files that are shown alike stay apart, also from one that has the name itself.
    for number in ["", " (2)", " (3)"] {
        let path = format!("models/ghp_…[redacted].pt{number}");
        assert_eq!(paths.iter().filter(|one| **one == path).count(), 1, "{paths:?}");
    }
    // A saved report of another program hides nothing.
    let report = serde_json::to_string(&report).unwrap().replace("…[redacted]", &token()[4..]);
    let folder = folder.write("report.json", report);
    for format in FORMATS {
        let ran = folder.run("render").args(["--from", "report.json", "--format", format]).run().exits(1);
        tells_nothing(&ran, &told, format);
    }
}

#[test]
fn no_host_is_told_a_credential_in_a_name() {
    let remote = Remote::with(|feature| {
        for (name, bytes) in names() {
            feature.write(&name, bytes);
        }
    });
    let clone = remote.checkout("refs/pull/7/merge", 2);
    let clone = clone.github("pull_request", "refs/pull/7/merge", &remote.pull_request(true));
    let told = clone.env("GITHUB_BASE_REF", "main").ci(&["-v"]).exits(1);
    let report = told.report.to_string();
    let all = [&*told.ran.stdout, &told.ran.stderr, &told.outputs, &told.summary, &report].concat();
    assert!(!all.contains(&token()[8..24]), "{all}");
    assert!(told.summary.contains("ghp_…[redacted]"), "{}", told.summary);
}
