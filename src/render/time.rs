//! Times of a report in ISO 8601.

use jiff::Timestamp;

/// Seconds since 1970 as a UTC date and time to the millisecond; None for 0, which reproducible reports carry.
pub(super) fn utc(seconds: f64) -> Option<String> {
    if !seconds.is_finite() || !(1.0..=1e11).contains(&seconds) {
        return None;
    }
    // The range above fits by far.
    #[expect(clippy::cast_possible_truncation, reason = "at most 1e14")]
    let milliseconds = (seconds * 1000.0) as i64;
    Timestamp::from_millisecond(milliseconds).ok().map(|time| time.to_string())
}

/// Like `utc` but to the second and without a zone, as GitLab wants it. It must always be there: reproducible reports
/// state 1970.
pub(super) fn plain(seconds: f64) -> String {
    let full = utc(seconds).unwrap_or_else(|| "1970-01-01T00:00:00".to_owned());
    full.chars().take(19).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_zero_is_no_time() {
        assert_eq!(utc(1_750_168_822.481_906).as_deref(), Some("2025-06-17T14:00:22.481Z"));
        assert_eq!(utc(0.0), None);
        assert_eq!(utc(f64::NAN), None);
        assert_eq!(plain(1_750_168_822.481_906), "2025-06-17T14:00:22");
        assert_eq!(plain(0.0), "1970-01-01T00:00:00");
    }
}
