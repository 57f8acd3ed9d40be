//! Every address that reports point to.

/// The project's own home: `repository` in `Cargo.toml`, the one place to set it. Empty: reports carry no such links.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The project's home page.
pub(super) fn home() -> Option<&'static str> {
    (!REPOSITORY.is_empty()).then_some(REPOSITORY)
}

/// What `RULES.md` says about one rule.
pub(super) fn rule(code: &str) -> Option<String> {
    let known = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (known && !REPOSITORY.is_empty()).then(|| format!("{REPOSITORY}/blob/HEAD/RULES.md#{}", code.to_ascii_lowercase()))
}

/// The entry of a weakness in the Common Weakness Enumeration.
pub(super) fn cwe(number: u32) -> String {
    format!("https://cwe.mitre.org/data/definitions/{number}.html")
}

/// The page of a MITRE ATLAS technique; None if the id does not have the form of one.
pub(super) fn atlas(id: &str) -> Option<String> {
    let digits = id.strip_prefix("AML.T")?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && (4..=8).contains(&digits.len());
    number.then(|| format!("https://atlas.mitre.org/techniques/{id}"))
}

/// The entry of a CVE; None if the id does not have the form of one.
pub(super) fn cve(id: &str) -> Option<String> {
    let number = id.strip_prefix("CVE-")?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && number.len() <= 16;
    digits.then(|| format!("https://nvd.nist.gov/vuln/detail/{id}"))
}

/// True for a plain web address that can stand in a list of references as it is.
pub(super) fn is_web(address: &str) -> bool {
    (address.starts_with("https://") || address.starts_with("http://"))
        && address.len() <= 500
        && address.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_ids_become_links() {
        assert_eq!(atlas("AML.T0011.000").as_deref(), Some("https://atlas.mitre.org/techniques/AML.T0011.000"));
        assert_eq!(atlas("AML.T0011/../x"), None);
        assert_eq!(cve("CVE-2025-32434").as_deref(), Some("https://nvd.nist.gov/vuln/detail/CVE-2025-32434"));
        assert_eq!(cve("CVE-2025)[x](http://a"), None);
        assert!(!is_web("javascript:alert(1)"));
        assert!(!is_web("https://a b"));
    }
}
