//! Credentials are in no output: not in evidence, and not in the names of files either.

use std::collections::{HashMap, HashSet};

use crate::escape::redacted;
use crate::report::{Report, Text};

/// Hides credentials in every text of a report. What a reader or a rule hid already stays as it is.
///
/// Two paths that differ only in what is hidden are told apart by a number, for consumers take equal paths for one file.
pub fn hide(report: &mut Report) {
    let mut shown: HashMap<String, String> = HashMap::new();
    // Another file may have the name that a hidden one would get.
    let mut taken: HashSet<String> = HashSet::new();
    report.each_text(&mut |kind, text| {
        if kind == Text::Path && !taken.contains(text) {
            taken.insert(text.clone());
        }
    });
    report.each_text(&mut |kind, text| {
        if kind == Text::Prose {
            return;
        }
        let hidden = redacted(text);
        if hidden == *text {
            return;
        }
        *text = match kind {
            Text::Path => shown.entry(std::mem::take(text)).or_insert_with(|| free(&hidden, &mut taken)).clone(),
            Text::Member | Text::Line | Text::Prose => hidden,
        };
    });
}

/// The name, or one with a number behind it that nobody has.
fn free(name: &str, taken: &mut HashSet<String>) -> String {
    let (mut unique, mut n) = (name.to_owned(), 2_u64);
    while !taken.insert(unique.clone()) {
        unique = format!("{name} ({n})");
        n += 1;
    }
    unique
}
