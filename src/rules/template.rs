//! The sentences of rows: `{field}` and `[optional part]`.

/// The names between `{` and `}`.
pub(super) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
}

/// Fills a template. `[…]` is left out when a field inside it has no value; elsewhere an absent field is `?`.
pub(super) fn render(template: &str, field: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['[', '{']) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        if let Some((inner, after)) = tail.strip_prefix('[').and_then(|tail| tail.split_once(']')) {
            if placeholders(inner).all(|name| field(name).is_some()) {
                out.push_str(&render(inner, field));
            }
            rest = after;
        } else if let Some((name, after)) = tail.strip_prefix('{').and_then(|tail| tail.split_once('}')) {
            out.push_str(&field(name).unwrap_or_else(|| "?".into()));
            rest = after;
        } else {
            out.push_str(tail);
            return out;
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_parts_of_a_message_vanish_with_their_field() {
        let fill = |name: &str| (name == "a").then(|| "A".to_owned());
        assert_eq!(render("{a} is[: {b}][, {a}]", &fill), "A is, A");
        assert_eq!(render("{b}!", &fill), "?!");
    }
}
