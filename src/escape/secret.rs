//! Credentials in text that is about to be shown.
//!
//! A report is read by more people than the file that it is about: logs of pipelines, comments, dashboards. What looks
//! like a credential by its prefix, alphabet and length is hidden in every output. Nothing is hidden from the rules.
//!
//! A reader of a file may have cut a text and put `…` at its end. What is left of a credential there is shorter than
//! its kind demands, and is hidden all the same.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};

/// What stands for the hidden part.
pub(super) const MARK: &str = "…[redacted]";
/// What stands for a password in an address; the colon before it says that something was there.
const PASSWORD_MARK: &str = "[redacted]";
/// What a reader puts where it cut a text.
const CUT: &str = "…";
/// Characters of a credential that stay, to tell which one it is.
const KEPT: usize = 4;
/// Characters behind the prefix that make what is left of a cut credential worth hiding.
const LEFT: usize = KEPT + 1;
/// Longest user and password of an address.
const LONGEST_USER: usize = 1024;
/// Longest label of a private key, as in `ENCRYPTED PRIVATE KEY`, and longest end of the line behind it.
const LONGEST_LABEL: usize = 48;
/// First run of a private key's body; shorter ones are prose about keys.
const KEY_RUN: usize = 16;

/// A part of a text that must not be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Secret {
    /// The bytes to leave out.
    pub(super) hidden: Range<usize>,
    /// What to write in their place.
    pub(super) mark: &'static str,
}

/// How a candidate is confirmed.
#[derive(Clone, Copy)]
enum Form {
    /// A prefix that belongs to the credential, and a body.
    Token(Body),
    /// A word that announces a credential, and the body alone.
    Announced(Body),
    /// Three parts in URL-safe Base64, of which two are JSON.
    Jwt,
    /// User and password in an address.
    Address,
    /// A private key in PEM.
    PrivateKey,
}

/// The characters behind a prefix.
#[derive(Clone, Copy)]
struct Body {
    /// The characters that the run behind the prefix is made of.
    run: fn(u8) -> bool,
    /// Fewest and most of them.
    length: (usize, usize),
    /// What the whole run must satisfy beyond that.
    holds: fn(&[u8]) -> bool,
}

const fn body(run: fn(u8) -> bool, least: usize, most: usize) -> Body {
    Body { run, length: (least, most), holds: |_| true }
}

const fn token(run: fn(u8) -> bool, least: usize, most: usize) -> Form {
    Form::Token(body(run, least, most))
}

fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn word(byte: u8) -> bool {
    alnum(byte) || byte == b'_'
}

fn dashed(byte: u8) -> bool {
    alnum(byte) || byte == b'-'
}

fn base64url(byte: u8) -> bool {
    word(byte) || byte == b'-'
}

fn dotted(byte: u8) -> bool {
    base64url(byte) || byte == b'.'
}

fn base64(byte: u8) -> bool {
    alnum(byte) || matches!(byte, b'+' | b'/' | b'=')
}

fn bearer(byte: u8) -> bool {
    base64(byte) || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Random values of this length have both; words and names of models rarely do.
fn is_mixed(run: &[u8]) -> bool {
    run.iter().any(u8::is_ascii_digit) && run.iter().any(u8::is_ascii_alphabetic)
}

fn is_base32(run: &[u8]) -> bool {
    run.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'))
}

const SLACK: Form =
    Form::Token(Body { run: dashed, length: (24, 255), holds: |run| run.first().is_some_and(u8::is_ascii_digit) });
const GITHUB: Form = token(alnum, 36, 255);
const GITLAB: Form = token(dotted, 20, 320);
const AWS_ID: Form = Form::Token(Body { run: alnum, length: (16, 16), holds: is_base32 });
const AWS_SECRET: Form = Form::Announced(body(base64, 40, 40));
const SK: Form = token(base64url, 32, 255);
const BEARER: Form = Form::Announced(Body { run: bearer, length: (20, 8192), holds: is_mixed });
const BASIC: Form = Form::Announced(body(base64, 8, 8192));
const STRIPE: Form = token(alnum, 24, 255);

/// What a credential begins with. Of two that begin alike the longer stands first.
const KINDS: &[(&str, Form)] = &[
    ("ghp_", GITHUB),
    ("gho_", GITHUB),
    ("ghu_", GITHUB),
    ("ghs_", GITHUB),
    ("ghr_", GITHUB),
    ("github_pat_", token(word, 50, 255)),
    ("glpat-", GITLAB),
    ("gldt-", GITLAB),
    ("glrt-", GITLAB),
    ("glptt-", GITLAB),
    ("hf_", token(alnum, 34, 34)),
    ("api_org_", token(alnum, 34, 34)),
    ("AKIA", AWS_ID),
    ("ASIA", AWS_ID),
    ("aws_secret_access_key", AWS_SECRET),
    ("AWS_SECRET_ACCESS_KEY", AWS_SECRET),
    ("SecretAccessKey", AWS_SECRET),
    ("xoxa-", SLACK),
    ("xoxb-", SLACK),
    ("xoxe-", SLACK),
    ("xoxo-", SLACK),
    ("xoxp-", SLACK),
    ("xoxr-", SLACK),
    ("xoxs-", SLACK),
    ("xapp-", SLACK),
    ("sk-proj-", SK),
    ("sk-svcacct-", SK),
    ("sk-admin-", SK),
    ("sk-ant-", SK),
    ("sk-or-v1-", SK),
    (
        "sk-",
        Form::Token(Body {
            run: base64url,
            length: (32, 64),
            holds: |run| run.iter().all(|b| alnum(*b)) && is_mixed(run),
        }),
    ),
    ("sk_live_", STRIPE),
    ("sk_test_", STRIPE),
    ("rk_live_", STRIPE),
    ("gsk_", token(alnum, 52, 52)),
    ("AIza", token(base64url, 35, 35)),
    ("npm_", token(alnum, 36, 36)),
    ("pypi-AgE", token(base64url, 50, 1024)),
    ("eyJ", Form::Jwt),
    ("Bearer ", BEARER),
    ("bearer ", BEARER),
    ("BEARER ", BEARER),
    ("uthorization: Basic ", BASIC),
    ("uthorization: basic ", BASIC),
    ("://", Form::Address),
    ("-----BEGIN ", Form::PrivateKey),
];

static PREFIXES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let prefixes = KINDS.iter().map(|(prefix, _)| prefix);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(prefixes).ok()
});

/// The first credential in `text` that begins in `within`. Takes time linear in the length of `within` and of what is
/// found: no byte is in the run of more than a few candidates.
pub(super) fn find(text: &str, within: Range<usize>) -> Option<Secret> {
    let prefixes = PREFIXES.as_ref()?;
    let mut from = within.start;
    let end = within.end.min(text.len());
    while from < end {
        let found = prefixes.find(Input::new(text).span(from..end))?;
        let (_, form) = KINDS.get(found.pattern().as_usize())?;
        if let Some(secret) = confirm(text.as_bytes(), found.range(), *form) {
            return Some(secret);
        }
        from = found.start().saturating_add(1);
    }
    None
}

fn confirm(text: &[u8], prefix: Range<usize>, form: Form) -> Option<Secret> {
    match form {
        Form::Token(body) => {
            let begins = begins(text, prefix.start, body.run);
            let end = body.end(text, prefix.end).filter(|_| begins)?;
            Some(Secret { hidden: prefix.start.saturating_add(KEPT)..end, mark: MARK })
        }
        Form::Announced(body) => {
            let between = |byte: u8| matches!(byte, b' ' | b':' | b'=' | b'"' | b'\'' | b'\\');
            let start = prefix.end.saturating_add(run(text, prefix.end, 8, between));
            Some(Secret { hidden: start.saturating_add(KEPT)..body.end(text, start)?, mark: MARK })
        }
        Form::Jwt => jwt(text, prefix),
        Form::Address => address(text, prefix),
        Form::PrivateKey => private_key(text, prefix),
    }
}

impl Body {
    /// Where a body ends that begins at `start`, if it is one.
    fn end(&self, text: &[u8], start: usize) -> Option<usize> {
        let (least, most) = self.length;
        let length = run(text, start, most.saturating_add(1), self.run);
        let end = start.saturating_add(length);
        let enough = length >= least || (length >= LEFT && is_cut(text, end));
        (enough && length <= most && (self.holds)(text.get(start..end)?)).then_some(end)
    }
}

/// How many bytes from `at` on are of a kind, up to `most`.
fn run(text: &[u8], at: usize, most: usize, kind: fn(u8) -> bool) -> usize {
    text.get(at..).unwrap_or_default().iter().take(most).take_while(|byte| kind(**byte)).count()
}

/// True if a reader cut the text there.
fn is_cut(text: &[u8], at: usize) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with(CUT.as_bytes()))
}

/// True if nothing before `at` continues what begins there. Letters that end an escape, as in `\nghp_`, do not.
fn begins(text: &[u8], at: usize, run: fn(u8) -> bool) -> bool {
    let before = text.get(..at).unwrap_or_default();
    match before {
        [.., b'\\', b'n' | b'r' | b't' | b'0'] => true,
        [.., b'%', a, b] | [.., b'\\', b'x', a, b] => a.is_ascii_hexdigit() && b.is_ascii_hexdigit() || !run(*b),
        [.., last] => !run(*last),
        [] => true,
    }
}

/// `header.payload.signature`. The header alone is no secret, and JSON in Base64 is ordinary text.
fn jwt(text: &[u8], prefix: Range<usize>) -> Option<Secret> {
    let part = |at: usize| run(text, at, usize::MAX, base64url);
    if !begins(text, prefix.start, base64url) {
        return None;
    }
    let header = part(prefix.start);
    let payload = prefix.start.saturating_add(header).saturating_add(1);
    let rest = text.get(payload.saturating_sub(1)..).filter(|rest| header >= 12 && rest.starts_with(b".eyJ"))?;
    let dot = payload.saturating_add(run(rest, 1, usize::MAX, base64url));
    let end = if text.get(dot) == Some(&b'.') { dot.saturating_add(1) } else { dot };
    let signature = if end > dot { part(end) } else { 0 };
    let end = end.saturating_add(signature);
    (signature >= KEY_RUN || is_cut(text, end))
        .then(|| Secret { hidden: prefix.start.saturating_add(KEPT)..end, mark: MARK })
}

/// `scheme://user:password@host`: the password.
fn address(text: &[u8], prefix: Range<usize>) -> Option<Secret> {
    let part = |byte: u8| {
        byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\')
    };
    let scheme = prefix.start.checked_sub(1).and_then(|at| text.get(at)).is_some_and(|byte| alnum(*byte));
    let length = run(text, prefix.end, LONGEST_USER, part);
    let authority = text.get(prefix.end..prefix.end.saturating_add(length)).filter(|_| scheme)?;
    let at = memchr::memrchr(b'@', authority).filter(|at| at.saturating_add(1) < length);
    let colon = memchr::memchr(b':', authority.get(..at.unwrap_or(length))?)?;
    let password = authority.get(colon.saturating_add(1)..at.unwrap_or(length))?;
    let first = password.first()?;
    // Cut before the `@`, a password differs from a port by what is no digit, and from an address in brackets.
    let cut = at.is_none()
        && is_cut(text, prefix.end.saturating_add(length))
        && !authority.starts_with(b"[")
        && *first != b'['
        && !password.iter().all(u8::is_ascii_digit);
    // A name to be filled in is no password.
    let variable = matches!(password, [b'$', b'{', .., b'}'] | [b'{', .., b'}']);
    let start = prefix.end.saturating_add(colon).saturating_add(1);
    let hidden = start..start.saturating_add(password.len());
    ((at.is_some() || cut) && !variable).then_some(Secret { hidden, mark: PASSWORD_MARK })
}

/// A private key between its lines, as it stands or with escapes for the ends of lines.
fn private_key(text: &[u8], prefix: Range<usize>) -> Option<Secret> {
    let label = text.get(prefix.end..prefix.end.saturating_add(run(text, prefix.end, LONGEST_LABEL, in_label)))?;
    let is_private = label.strip_suffix(b" BLOCK").unwrap_or(label).ends_with(b"PRIVATE KEY");
    let line = prefix.end.saturating_add(label.len());
    let rest = text.get(line..)?.strip_prefix(b"-----").filter(|_| is_private)?;
    let start = line.saturating_add(5);
    let body = line_end(rest);
    let key = run(rest, body, usize::MAX, base64);
    let first = body.saturating_add(key);
    let headed = rest.get(body..).is_some_and(|rest| rest.starts_with(b"Proc-Type") || rest.starts_with(b"Version:"));
    if !(key >= KEY_RUN || headed || (key >= LEFT && is_cut(rest, first))) {
        return None;
    }
    let length = memchr::memmem::find(rest, b"-----").unwrap_or_else(|| run(rest, 0, usize::MAX, in_key));
    let end = start.saturating_add(length);
    let tail = text.get(end..)?.strip_prefix(b"-----END ").map_or(0, |tail| {
        let label = run(tail, 0, LONGEST_LABEL, in_label);
        let dashes = run(tail, label, 5, |byte| byte == b'-');
        label.saturating_add(dashes).saturating_add(9)
    });
    Some(Secret { hidden: start..end.saturating_add(tail), mark: MARK })
}

/// The end of a line in front of a key, and what code in between may add: escapes, quotes.
fn line_end(text: &[u8]) -> usize {
    let mut at = 0_usize;
    while at < LONGEST_LABEL {
        let length = match text.get(at..).unwrap_or_default() {
            [b'\\', b'n' | b'r' | b't', ..] => 2,
            [byte, ..] if byte.is_ascii_whitespace() || matches!(byte, b'\\' | b'"' | b'\'' | b',' | b'+') => 1,
            _ => break,
        };
        at = at.saturating_add(length);
    }
    at
}

fn in_label(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b' '
}

/// What a private key without its last line is taken to consist of.
fn in_key(byte: u8) -> bool {
    base64(byte) || byte.is_ascii_whitespace() || matches!(byte, b'\\' | b'"' | b'\'' | b',' | b':' | b'-')
}

#[cfg(test)]
mod tests;
