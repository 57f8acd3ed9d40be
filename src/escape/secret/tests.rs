use super::super::{printable, visible};
use std::time::{Duration, Instant};

/// `n` characters that look random: letters of both cases and digits.
fn random(n: usize) -> String {
    "aB3dE5gH7jK9mN2pQ4sT6vW8xZ".chars().cycle().take(n).collect()
}

fn shown(text: &str) -> String {
    printable(text, usize::MAX)
}

#[test]
fn each_kind_keeps_four_characters() {
    let key_id = "IOSFODNN7EXAMPLE".replace('7', "6");
    let jwt = format!("hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{}", random(43));
    for (prefix, rest) in [
        ("ghp_", random(36)),
        ("gho_", random(36)),
        ("ghs_", random(36)),
        ("github_pat_", format!("{}_{}", random(22), random(59))),
        ("glpat-", random(20)),
        ("glpat-", format!("{}.01.{}", random(27), random(7))),
        ("hf_", random(34)),
        ("api_org_", random(34)),
        ("AKIA", key_id.clone()),
        ("ASIA", key_id),
        ("xoxb-", format!("123456789012-1234567890123-{}", random(24))),
        ("xapp-", format!("1-A012345-{}", random(24))),
        ("sk-", random(48)),
        ("sk-proj-", random(48)),
        ("sk-ant-", format!("api03-{}", random(80))),
        ("sk_live_", random(24)),
        ("gsk_", random(52)),
        ("AIza", random(35)),
        ("npm_", random(36)),
        ("pypi-AgE", random(100)),
        ("eyJ", jwt),
    ] {
        let token = format!("{prefix}{rest}");
        let kept = format!("{}…[redacted]", &token[..4]);
        for (before, after) in [("", ""), ("a '", "' b"), ("x=", "\n"), ("\\n", "\\n"), ("%20", "&y"), ("模", "型")] {
            let hidden = shown(&format!("{before}{token}{after}"));
            assert_eq!(hidden, shown(before) + &kept + &shown(after), "{token}");
            assert_eq!(shown(&hidden), hidden, "once is enough");
        }
        assert!(visible(&token, 500) == token, "identities keep it");
    }
}

#[test]
fn what_only_resembles_a_credential_is_shown() {
    for text in [
        format!("ghp_{}", random(35)),
        format!("ghp_{}-{}", random(20), random(20)),
        format!("Aghp_{}", random(36)),
        format!("hf_{}", random(33)),
        format!("hf_{}", random(35)),
        "hf_transformers_modules_configuration_bert".to_owned(),
        format!("glpat-{}", random(19)),
        format!("AKIA{}", "A".repeat(15)),
        format!("AKIA{}", "A".repeat(17)),
        format!("AKIA{}", "a".repeat(16)),
        "AKIA0189AAAAAAAAAAAA".to_owned(),
        format!("AIza{}", random(34)),
        format!("AIza{}", random(36)),
        format!("npm_{}", random(35)),
        format!("pypi-{}", random(80)),
        format!("xoxb-{}", "a".repeat(40)),
        "sk-learn-model-of-a-very-long-name-that-goes-on".to_owned(),
        format!("sk-{}", "a".repeat(48)),
        format!("task-{}", random(48)),
        format!("disk-{}", "0123456789abcdef".repeat(2)),
        format!("eyJ{}", random(400)),
        format!("eyJ{}.{}.{}", random(20), random(20), random(20)),
        "0123456789abcdef".repeat(4),
        "model.layers.31.self_attn.q_proj.weight".to_owned(),
        "torch._utils._rebuild_tensor_v2".to_owned(),
        "https://example.org:8080/a@b".to_owned(),
        "https://user@example.org/".to_owned(),
        "https://[2001:db8::1]:443/".to_owned(),
        "https://user:@example.org/".to_owned(),
        "https://user:${TOKEN}@example.org/".to_owned(),
        "http://127.0.0.1:8080…".to_owned(),
        "Bearer authenticationwithoutanydigit".to_owned(),
        "the bearer of this letter".to_owned(),
        "-----BEGIN PUBLIC KEY-----MIIBIjANBgkqhkiG9w0BAQEF-----END PUBLIC KEY-----".to_owned(),
        "-----BEGIN CERTIFICATE-----MIIBIjANBgkqhkiG9w0BAQEF".to_owned(),
        "looks for -----BEGIN PRIVATE KEY----- in files".to_owned(),
        "ghp_…".to_owned(),
    ] {
        assert_eq!(shown(&text), text);
    }
}

#[test]
fn what_is_announced_is_hidden() {
    let (token, hidden) = (random(40), "aB3d…[redacted]");
    for (before, after) in [
        ("Authorization: Bearer ", "' https://example.org"),
        ("authorization: bearer ", ""),
        ("Authorization: Basic ", "\""),
        ("aws_secret_access_key = ", "\n"),
        ("AWS_SECRET_ACCESS_KEY=\\'", "\\'"),
        ("{\"SecretAccessKey\": \"", "\"}"),
    ] {
        let once = shown(&format!("{before}{token}{after}"));
        assert_eq!(once, format!("{before}{hidden}{}", shown(after)));
        assert_eq!(shown(&once), once);
    }
    assert_eq!(shown(&format!("Bearer ghp_{}", random(36))), "Bearer ghp_…[redacted]");
}

#[test]
fn passwords_in_addresses_are_hidden() {
    for (text, hidden) in [
        ("https://user:hunter2@example.org/a", "https://user:[redacted]@example.org/a"),
        ("'redis://:p%40ss@db:6379/0'", "'redis://:[redacted]@db:6379/0'"),
        ("postgresql+psycopg2://a:b@c@db/x", "postgresql+psycopg2://a:[redacted]@db/x"),
        ("git clone https://x:hunter…'", "git clone https://x:[redacted]…'"),
    ] {
        assert_eq!(shown(text), hidden);
        assert_eq!(shown(hidden), hidden);
    }
}

#[test]
fn private_keys_are_hidden_as_they_stand_and_escaped() {
    let body = [random(64), random(64), random(20) + "=="];
    for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
        for end in ["\n", "\r\n", "\\n", "\\r\\n", "\\\\n"] {
            let begin = format!("-----BEGIN {kind}PRIVATE KEY-----");
            let key = format!("{begin}{end}{}{end}-----END {kind}PRIVATE KEY-----", body.join(end));
            let hidden = format!("a {begin}…[redacted] b");
            assert_eq!(shown(&format!("a {key} b")), hidden);
            assert_eq!(shown(&hidden), hidden);
            for cut in [begin.len() + 24, key.len() / 2] {
                assert_eq!(shown(&format!("{}…", &key[..cut])), format!("{begin}…[redacted]…"), "{cut}");
            }
        }
    }
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123\n\nMIIE";
    assert_eq!(shown(old), "-----BEGIN RSA PRIVATE KEY-----…[redacted]");
}

#[test]
fn nothing_of_a_credential_is_left_where_a_text_is_cut() {
    let token = format!("ghp_{}", random(36));
    for cap in 0..60 {
        let text = printable(&format!("012345678 {token} and more"), cap);
        assert!(!text.contains("ghp_aB") && text.chars().count() <= cap + 1, "{text}");
    }
    // Cut by the reader of the file.
    for length in 9..token.len() {
        assert_eq!(shown(&format!("('curl {}…')", &token[..length])), "('curl ghp_…[redacted]…')");
    }
    let jwt = format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{}", random(43));
    for length in 26..jwt.len() {
        assert_eq!(shown(&format!("{}…", &jwt[..length])), "eyJh…[redacted]…");
    }
}

#[test]
fn time_is_linear() {
    let start = Instant::now();
    for piece in [
        "ghp_",
        "sk-",
        "sk-ant-",
        "eyJ",
        "eyJ.",
        "eyJaaaaaaaaaaa.",
        "://",
        "a://b:",
        "://a:b@",
        "Bearer ",
        "AKIA",
        "pypi-AgE",
        "github_pat_",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\n",
        "glpat-",
        "a",
    ] {
        assert!(!shown(&piece.repeat((1 << 20) / piece.len())).is_empty());
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
