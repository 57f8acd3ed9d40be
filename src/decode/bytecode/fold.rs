//! Constants put together: what strings, bytes and numbers come to when code adds, slices, formats or decodes them.
//!
//! Names are hidden like that. Whatever is not constant, or longer than names and one-line programs are, stays unknown.

use super::value::Atom;
use crate::decode::pickle::codec;
use crate::decode::slice::slice;

/// Longest string that is put together, in bytes.
pub(super) const LONGEST: usize = 4096;
/// Items of a sequence that is gone through item by item.
const MOST_EACH: usize = 256;

/// Numbers of the operators in `BINARY_OP`; those in place follow in the same order.
pub(super) const IN_PLACE: u8 = 13;
/// `left[right]`, from 3.14 an operator like others.
pub(super) const SUBSCRIPT: u8 = 26;

/// Bytes that a constant has, for what it costs to handle it.
pub(super) fn size(atom: &Atom) -> usize {
    match atom {
        Atom::Text(text) => text.len(),
        Atom::Bytes(bytes) => bytes.len(),
        Atom::Each(all) => all.iter().map(|one| if let Atom::Text(text) = one { text.len() } else { 8 }).sum(),
        _ => 1,
    }
}

/// Applies `f` to the constants, or to each of those that stand for the items of a sequence.
fn lift(atoms: &[&Atom], f: impl Fn(&[&Atom]) -> Option<Atom>) -> Option<Atom> {
    let lengths = atoms.iter().filter_map(|atom| if let Atom::Each(all) = atom { Some(all.len()) } else { None });
    let Some(length) = lengths.reduce(usize::min) else { return f(atoms) };
    let at = |index: usize| -> Option<Atom> {
        let one: Option<Vec<&Atom>> = atoms
            .iter()
            .map(|atom| match atom {
                Atom::Each(all) => all.get(index),
                other => Some(*other),
            })
            .collect();
        f(&one?)
    };
    let all: Option<Vec<Atom>> = (0..length).map(at).collect();
    Some(Atom::Each(all?.into()))
}

/// The items of a constant in turn.
pub(super) fn each(atom: &Atom) -> Option<Atom> {
    let all: Vec<Atom> = match atom {
        Atom::Text(text) => text.chars().take(MOST_EACH).map(|c| Atom::text(c.encode_utf8(&mut [0; 4]))).collect(),
        Atom::Bytes(bytes) => bytes.iter().take(MOST_EACH).map(|&byte| Atom::Int(i64::from(byte))).collect(),
        _ => return None,
    };
    Some(Atom::Each(all.into()))
}

/// All of these constants in turn, if they are few and plain.
pub(super) fn each_of(atoms: Vec<Atom>) -> Option<Atom> {
    let plain = |atom: &Atom| matches!(atom, Atom::Text(_) | Atom::Bytes(_) | Atom::Int(_));
    (atoms.len() <= MOST_EACH && atoms.iter().all(plain)).then(|| Atom::Each(atoms.into()))
}

/// The bytes of a string or bytes, and whether it is a string.
fn raw(atom: &Atom) -> Option<(bool, &[u8])> {
    match atom {
        Atom::Text(text) => Some((true, text.as_bytes())),
        Atom::Bytes(bytes) => Some((false, bytes)),
        _ => None,
    }
}

fn made(is_text: bool, bytes: Vec<u8>) -> Option<Atom> {
    if bytes.len() > LONGEST {
        None
    } else if is_text {
        String::from_utf8(bytes).ok().map(|text| Atom::Text(text.into()))
    } else {
        Some(Atom::Bytes(bytes.into()))
    }
}

/// `left op right`.
pub(super) fn operator(op: u8, left: &Atom, right: &Atom) -> Option<Atom> {
    let op = if op == SUBSCRIPT { op } else { op % IN_PLACE };
    lift(&[left, right], |pair| match *pair {
        [Atom::Int(a), Atom::Int(b)] => {
            let shift = || u32::try_from(*b).ok().filter(|&bits| bits < 32);
            Some(Atom::Int(match op {
                0 => a.checked_add(*b)?,
                1 => a & b,
                2 if *b > 0 => a.checked_div_euclid(*b)?,
                3 => a.checked_mul(1_i64 << shift()?)?,
                5 => a.checked_mul(*b)?,
                6 if *b > 0 => a.checked_rem_euclid(*b)?,
                7 => a | b,
                9 => a >> shift()?,
                10 => a.checked_sub(*b)?,
                12 => a ^ b,
                _ => return None,
            }))
        }
        [object, key] if op == SUBSCRIPT => item(object, key),
        [one, Atom::Int(times)] | [Atom::Int(times), one] if op == 5 => {
            let (is_text, bytes) = raw(one)?;
            let times = usize::try_from(*times).unwrap_or(0);
            (bytes.len().checked_mul(times)? <= LONGEST).then(|| made(is_text, bytes.repeat(times)))?
        }
        [one, other] if op == 0 => match (raw(one)?, raw(other)?) {
            ((text, a), (other, b)) if text == other => made(text, [a, b].concat()),
            _ => None,
        },
        [Atom::Text(template), argument] if op == 6 => fill_in(template, &[argument], &[], false),
        _ => None,
    })
}

/// `object[key]`, by number or slice.
pub(super) fn item(object: &Atom, key: &Atom) -> Option<Atom> {
    lift(&[object, key], |pair| {
        let [object, key] = *pair else { return None };
        let bounds = match key {
            Atom::Int(-1) => [Some(-1), None, None],
            Atom::Int(at) => [Some(*at), at.checked_add(1), None],
            Atom::Slice(bounds) => *bounds,
            _ => return None,
        };
        let [start, stop, step] = bounds;
        match object {
            Atom::Text(text) => {
                let characters: Vec<char> = text.chars().collect();
                Some(Atom::text(&slice(&characters, start, stop, step)?.into_iter().collect::<String>()))
            }
            Atom::Bytes(bytes) => {
                let picked = slice(bytes, start, stop, step)?;
                match (key, picked.as_slice()) {
                    (Atom::Int(_), [byte]) => Some(Atom::Int(i64::from(*byte))),
                    _ => made(false, picked),
                }
            }
            _ => None,
        }
    })
}

/// A method of a string or of bytes. Where the first argument is a sequence, `parts` are its items.
pub(super) fn method(
    object: &Atom,
    method: &str,
    arguments: &[Atom],
    keywords: &[(&str, &Atom)],
    parts: Option<&[Atom]>,
) -> Option<Atom> {
    if let ("join", Some(parts)) = (method, parts) {
        return join(object, parts);
    }
    let all: Vec<&Atom> = std::iter::once(object).chain(arguments).collect();
    lift(&all, |all| {
        let (&object, arguments) = all.split_first()?;
        let (is_text, bytes) = raw(object)?;
        let argument = |n: usize| arguments.get(n).and_then(|argument| raw(argument)).map(|(_, bytes)| bytes);
        let changed = |f: fn(&str) -> String| made(is_text, f(std::str::from_utf8(bytes).ok()?).into_bytes());
        match method {
            "lower" | "casefold" => changed(str::to_lowercase),
            "upper" => changed(str::to_uppercase),
            "capitalize" => changed(|text| {
                let mut rest = text.chars();
                rest.next().into_iter().flat_map(char::to_uppercase).chain(rest.flat_map(char::to_lowercase)).collect()
            }),
            "swapcase" => changed(|text| {
                let turn = |c: char| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
                text.chars().map(turn).collect()
            }),
            "strip" | "lstrip" | "rstrip" => {
                let text = std::str::from_utf8(bytes).ok()?;
                let set = argument(0).map(|set| String::from_utf8_lossy(set).into_owned());
                let cut = |c: char| set.as_ref().map_or(c.is_whitespace(), |set| set.contains(c));
                made(
                    is_text,
                    match method {
                        "lstrip" => text.trim_start_matches(cut),
                        "rstrip" => text.trim_end_matches(cut),
                        _ => text.trim_matches(cut),
                    }
                    .into(),
                )
            }
            "removeprefix" => made(is_text, bytes.strip_prefix(argument(0)?).unwrap_or(bytes).to_vec()),
            "removesuffix" => made(is_text, bytes.strip_suffix(argument(0)?).unwrap_or(bytes).to_vec()),
            "replace" => {
                let (from, to) = (std::str::from_utf8(argument(0)?).ok()?, std::str::from_utf8(argument(1)?).ok()?);
                let longest = bytes.len().saturating_add(1).saturating_mul(to.len());
                (longest <= LONGEST << 4)
                    .then(|| made(is_text, std::str::from_utf8(bytes).ok()?.replace(from, to).into_bytes()))?
            }
            "format" => {
                let Atom::Text(template) = object else { return None };
                fill_in(template, arguments, keywords, true)
            }
            "encode" => made(false, codec::encode_text(bytes, &codec_name(arguments.first().copied())?)?),
            "decode" => decode(object, arguments.first().copied()),
            "__add__" => operator(0, object, arguments.first()?),
            "__mod__" => operator(6, object, arguments.first()?),
            "__mul__" => operator(5, object, arguments.first()?),
            "__getitem__" => item(object, arguments.first()?),
            "__str__" | "__format__" => Some(object.clone()),
            _ => None,
        }
    })
}

fn join(separator: &Atom, parts: &[Atom]) -> Option<Atom> {
    let (is_text, separator) = raw(separator)?;
    let parts: Option<Vec<&[u8]>> =
        parts.iter().map(|part| raw(part).filter(|(text, _)| *text == is_text).map(|(_, bytes)| bytes)).collect();
    let parts = parts?;
    let length = parts.iter().map(|part| part.len().saturating_add(separator.len())).sum::<usize>();
    (length <= LONGEST << 1).then(|| made(is_text, parts.join(separator)))?
}

fn codec_name(name: Option<&Atom>) -> Option<String> {
    match name {
        None => Some("utf_8".to_owned()),
        Some(Atom::Text(name)) => Some(codec::normalize(name.as_bytes())),
        Some(_) => None,
    }
}

/// `bytes.decode(codec)` and `codecs.decode(object, codec)`.
pub(super) fn decode(object: &Atom, name: Option<&Atom>) -> Option<Atom> {
    let (_, bytes) = raw(object)?;
    let name = codec_name(name)?;
    match codec::decode_text(bytes, &name) {
        Some(text) => made(true, text),
        None => made(name.starts_with("rot"), codec::unwrap(bytes, &name)?),
    }
}

/// A decoder of the standard library.
pub(super) fn decoder(object: &Atom, function: &str) -> Option<Atom> {
    let (_, bytes) = raw(object)?;
    made(false, codec::by_function(bytes, function)?)
}

/// A built-in function of constants. Where the first argument is a sequence, `parts` are its items.
pub(super) fn function(name: &str, arguments: &[Atom], parts: Option<&[Atom]>) -> Option<Atom> {
    if let ("bytes" | "bytearray", Some(parts)) = (name, parts) {
        let byte = |part: &Atom| if let Atom::Int(byte) = part { u8::try_from(*byte).ok() } else { None };
        return made(false, parts.iter().map(byte).collect::<Option<_>>()?);
    }
    lift(&arguments.iter().collect::<Vec<_>>(), |arguments| match (name, arguments) {
        ("chr" | "unichr", [Atom::Int(code)]) => {
            let c = char::from_u32(u32::try_from(*code).ok()?)?;
            Some(Atom::text(c.encode_utf8(&mut [0; 4])))
        }
        ("ord", [Atom::Text(text)]) => text.chars().next().map(|c| Atom::Int(i64::from(u32::from(c)))),
        ("str" | "unicode" | "bytes" | "bytearray", [one @ (Atom::Text(_) | Atom::Bytes(_))]) => {
            ((name == "str" || name == "unicode") == matches!(one, Atom::Text(_))).then(|| (*one).clone())
        }
        ("str" | "unicode", [bytes @ Atom::Bytes(_), codec]) => decode(bytes, Some(codec)),
        ("bytes" | "bytearray", [Atom::Text(text), codec]) => {
            made(false, codec::encode_text(text.as_bytes(), &codec_name(Some(codec))?)?)
        }
        ("str", [Atom::Int(number)]) => Some(Atom::text(&number.to_string())),
        ("int", [Atom::Text(digits), radix @ ..]) => {
            let radix = match radix {
                [Atom::Int(radix)] => u32::try_from(*radix).ok().filter(|radix| (2..=36).contains(radix))?,
                _ => 10,
            };
            i64::from_str_radix(digits.trim().trim_start_matches("0x"), radix).ok().map(Atom::Int)
        }
        _ => None,
    })
}

/// The text that a value is formatted as.
fn formatted(atom: &Atom) -> Option<String> {
    match atom {
        Atom::Text(text) => Some(text.to_string()),
        Atom::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `"…{}…".format(…)` or `"…%s…" % …`, with plain fields only.
pub(super) fn fill_in(template: &str, arguments: &[&Atom], keywords: &[(&str, &Atom)], braces: bool) -> Option<Atom> {
    let (mut out, mut rest, mut next) = (String::new(), template, 0_usize);
    while let Some(at) = rest.find(if braces { ['{', '}'] } else { ['%', '%'] }) {
        out.push_str(rest.get(..at)?);
        let mark = rest.get(at..)?.chars().next()?;
        rest = rest.get(at.checked_add(1)?..)?;
        if let Some(after) = rest.strip_prefix(mark) {
            out.push(mark);
            rest = after;
            continue;
        }
        let (field, after) = if braces { rest.split_once('}')? } else { rest.split_at_checked(1)? };
        rest = after;
        let plain = if braces { field.is_empty() } else { matches!(field, "s" | "d" | "i" | "c") };
        let argument = match field.parse::<usize>() {
            _ if plain => arguments.get(next).copied(),
            Ok(index) if braces => arguments.get(index).copied(),
            _ => keywords.iter().find(|(name, _)| braces && *name == field).map(|(_, value)| *value),
        };
        next = next.saturating_add(1);
        match (field, argument?) {
            ("c", Atom::Int(code)) if !braces => out.push(char::from_u32(u32::try_from(*code).ok()?)?),
            (_, argument) => out.push_str(&formatted(argument)?),
        }
        if out.len() > LONGEST {
            return None;
        }
    }
    out.push_str(rest);
    made(true, out.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(found: Option<Atom>) -> String {
        match found {
            Some(Atom::Text(text)) => text.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn names_are_put_together() {
        let say = Atom::text;
        assert_eq!(text(operator(0, &say("sys"), &say("tem"))), "system");
        assert_eq!(text(operator(6, &say("s%stem"), &say("ys"))), "system");
        assert_eq!(text(method(&say("{}{}m"), "format", &[say("sys"), say("te")], &[], None)), "system");
        assert_eq!(text(method(&say("{a}tem"), "format", &[], &[("a", &say("sys"))], None)), "system");
        assert_eq!(text(method(&say("SYSxTEM"), "replace", &[say("x"), say("")], &[], None)), "SYSTEM");
        assert_eq!(text(item(&say("metsys"), &Atom::Slice([None, None, Some(-1)]))), "system");
        assert_eq!(text(decode(&decoder(&say("c3lzdGVt"), "b64decode").unwrap(), None)), "system");
        assert_eq!(text(decode(&say("flfgrz"), Some(&say("rot13")))), "system");
    }

    #[test]
    fn a_sequence_is_gone_through_item_by_item() {
        let masked = each(&Atom::Bytes((*b"nr").into())).unwrap();
        let Some(Atom::Each(plain)) = operator(12, &masked, &Atom::Int(1)) else { panic!("not lifted") };
        assert_eq!(function("bytes", &[], Some(&plain)), Some(Atom::Bytes((*b"os").into())));
        let Some(Atom::Each(letters)) = function("chr", &[Atom::Each(plain)], None) else { panic!("not lifted") };
        assert_eq!(text(method(&Atom::text(""), "join", &[], &[], Some(&letters))), "os");
    }

    #[test]
    fn what_grows_without_end_stays_unknown() {
        assert_eq!(operator(5, &Atom::text("ab"), &Atom::Int(i64::MAX)), None);
        assert_eq!(operator(5, &Atom::text("ab"), &Atom::Int(-1)), Some(Atom::text("")));
        assert_eq!(operator(3, &Atom::Int(1), &Atom::Int(64)), None);
        assert_eq!(operator(2, &Atom::Int(i64::MIN), &Atom::Int(-1)), None);
        assert_eq!(fill_in("{0", &[&Atom::text("x")], &[], true), None);
    }
}
