//! Paths and remotes as URIs.

use std::fmt::Write as _;

/// A path or member name as a relative URI reference.
///
/// Everything but unreserved characters and `/` is percent-encoded: a colon in the first segment would read as a
/// scheme. Names that would climb out of the root or start at another one (`..`, a leading slash, empty segments)
/// become a single opaque segment, so that no consumer resolves them.
pub(super) fn relative(path: &str) -> String {
    let climbs = path.split('/').any(|segment| matches!(segment, "" | "." | ".."));
    let mut out = String::with_capacity(path.len());
    if climbs {
        // A segment of dots alone is special even when it is encoded.
        out.push('_');
    }
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if !climbs => out.push('/'),
            byte => {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// The address of a repository without user, password, query and fragment; None if it is not on a network.
///
/// Understands URLs and the `user@host:path` form of ssh.
pub(super) fn repository(remote: &str) -> Option<String> {
    let (scheme, rest) = if let Some((scheme, rest)) = remote.split_once("://") {
        (scheme, rest.to_owned())
    } else {
        let (host, path) = remote.split_once(':')?;
        // `ext::command` names a helper program, `c:\path` a drive.
        if path.starts_with(':') || host.len() < 2 {
            return None;
        }
        ("ssh", format!("{host}/{}", path.trim_start_matches('/')))
    };
    if !matches!(scheme, "https" | "http" | "ssh" | "git") {
        return None;
    }
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(plain) && !path.is_empty())
        .then(|| format!("{scheme}://{host}/{}", relative(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_characters_are_encoded() {
        assert_eq!(relative("models/a b%:c.pt"), "models/a%20b%25%3Ac.pt");
        assert_eq!(relative("模型.pt"), "%E6%A8%A1%E5%9E%8B.pt");
    }

    #[test]
    fn names_cannot_leave_the_root() {
        assert_eq!(relative("../../etc/passwd"), "_..%2F..%2Fetc%2Fpasswd");
        assert_eq!(relative("/etc/passwd"), "_%2Fetc%2Fpasswd");
        assert_eq!(relative(".."), "_..");
        assert_eq!(relative(""), "_");
        assert_eq!(relative("//host/share"), "_%2F%2Fhost%2Fshare");
    }

    #[test]
    fn remotes_lose_their_credentials() {
        let clean = Some("https://example.com/a/b.git".to_owned());
        assert_eq!(repository("https://user:token@example.com/a/b.git?x=1"), clean);
        assert_eq!(repository("git@example.com:a/b.git"), Some("ssh://example.com/a/b.git".to_owned()));
        assert_eq!(repository("/srv/git/b.git"), None);
        assert_eq!(repository("file:///srv/git/b.git"), None);
        assert_eq!(repository("ext::sh -c x"), None);
        assert_eq!(repository("c:/models"), None);
    }
}
