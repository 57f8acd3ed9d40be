//! Slices as Python takes them.

/// The items that `[start:stop:step]` picks; None for a step of zero.
#[must_use]
pub(super) fn slice<T: Copy>(items: &[T], start: Option<i64>, stop: Option<i64>, step: Option<i64>) -> Option<Vec<T>> {
    let step = step.unwrap_or(1);
    if step == 0 {
        return None;
    }
    let len = i64::try_from(items.len()).ok()?;
    let place = |at: i64| if at < 0 { at.saturating_add(len) } else { at };
    let (low, high) = if step > 0 { (0, len) } else { (-1, len.saturating_sub(1)) };
    let first = start.map_or(if step > 0 { low } else { high }, |at| place(at).clamp(low, high));
    let last = stop.map_or(if step > 0 { high } else { low }, |at| place(at).clamp(low, high));
    let (mut at, mut out) = (first, Vec::new());
    while (step > 0 && at < last) || (step < 0 && at > last) {
        out.push(*items.get(usize::try_from(at).ok()?)?);
        at = at.checked_add(step)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::slice;

    #[test]
    fn bounds_count_from_either_end() {
        let pick = |start, stop, step| slice(b"system", start, stop, step).map(|all| String::from_utf8(all).unwrap());
        assert_eq!(pick(None, None, Some(-1)).as_deref(), Some("metsys"));
        assert_eq!(pick(Some(-4), Some(99), Some(2)).as_deref(), Some("se"));
        assert_eq!(pick(Some(3), Some(1), None).as_deref(), Some(""));
        assert_eq!(pick(None, None, Some(i64::MIN)).as_deref(), Some("m"));
        assert_eq!(pick(None, None, Some(0)), None);
    }
}
