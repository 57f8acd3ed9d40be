//! Verdicts that were kept: what came of the same bytes under the same name with the same rules.
//!
//! Only whole verdicts are kept: a file that was not read to its end is read again. What is kept are hits, before
//! policy: settings on severity and suppression count as they are now.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::bytes::{InputName, ReadAt, hex};
use crate::fact::Span;
use crate::finding::Severity;
use crate::report::{Asset, Coverage, Status};
use crate::rules::{Hit, RuleSet};
use crate::scan::Outcome;

/// A place that keeps texts under keys of 64 hexadecimal digits.
pub trait Memory: Sync {
    /// What was kept under a key, as it was given.
    fn load(&self, key: &str) -> Option<Vec<u8>>;
    /// Keeps something, if it can.
    fn store(&self, key: &str, value: &[u8]);
}

/// A hit as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    code: String,
    severity: Severity,
    message: String,
    members: Vec<String>,
    span: Option<(u64, u64)>,
    details: Map<String, Value>,
    related: Vec<String>,
    occurrences: u64,
    offsets: Vec<u64>,
    evidence: String,
}

/// A verdict as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    hits: Vec<Kept>,
    bytes: u64,
    asset: Asset,
}

/// The key of a verdict: everything that it depends on.
pub(super) fn key(sha256: &str, name: &InputName, rules: &RuleSet, options: &str) -> String {
    let mut hash = Sha256::new();
    let parts = [env!("CARGO_PKG_VERSION"), &rules.digest(), options, sha256, &name.path];
    for part in parts.into_iter().chain(name.members.iter().map(String::as_str)) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

/// The SHA-256 of all bytes.
pub(super) fn digest(source: &dyn ReadAt) -> Option<String> {
    let mut hash = Sha256::new();
    let mut window = vec![0; 1 << 18];
    let mut offset = 0;
    loop {
        let got = source.fill_at(offset, &mut window).ok()?;
        let Some(bytes) = window.get(..got).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        offset += got as u64;
    }
    Some(hex(&hash.finalize()))
}

/// An outcome worth keeping, as text.
pub(super) fn pack(outcome: &Outcome<'_>, sha256: &str) -> Option<Vec<u8>> {
    let asset = outcome.asset.clone().filter(|asset| asset.sha256.as_deref() == Some(sha256))?;
    if outcome.coverage.status != Status::Complete || !outcome.errors.is_empty() || outcome.ignored {
        return None;
    }
    let kept = |hit: &Hit<'_>| Kept {
        code: hit.rule.code.clone(),
        severity: hit.severity,
        message: hit.message.clone(),
        members: hit.name.members.clone(),
        span: hit.span.map(|span| (span.offset, span.length)),
        details: hit.details.clone(),
        related: hit.related.clone(),
        occurrences: hit.occurrences,
        offsets: hit.offsets.clone(),
        evidence: hit.evidence.clone(),
    };
    let hits = outcome.hits.iter().map(kept).collect();
    serde_json::to_vec(&Verdict { hits, bytes: outcome.coverage.bytes, asset }).ok()
}

/// The outcome that was kept. None if it names a rule that is not in force.
pub(super) fn unpack<'r>(text: &[u8], name: &InputName, rules: &'r RuleSet) -> Option<Outcome<'r>> {
    let Verdict { hits, bytes, asset } = serde_json::from_slice(text).ok()?;
    let hit = |kept: Kept| {
        Some(Hit {
            rule: rules.get(&kept.code)?,
            severity: kept.severity,
            message: kept.message,
            name: InputName { path: name.path.clone(), members: kept.members },
            span: kept.span.map(|(offset, length)| Span { offset, length }),
            details: kept.details,
            related: kept.related,
            occurrences: kept.occurrences,
            offsets: kept.offsets,
            evidence: kept.evidence,
        })
    };
    let hits = hits.into_iter().map(hit).collect::<Option<_>>()?;
    let coverage = Coverage { path: name.path.clone(), status: Status::Complete, reason: None, bytes };
    Some(Outcome { hits, coverage, asset: Some(asset), errors: Vec::new(), ignored: false })
}
