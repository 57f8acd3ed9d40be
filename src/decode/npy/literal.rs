//! Python literals: what `ast.literal_eval` takes and a header can have.

/// Values within values. Real types nest three or four levels.
const DEEPEST: usize = 64;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A string or bytes.
    Text(Vec<u8>),
    /// An integer.
    Int(i128),
    /// A truth.
    Bool(bool),
    /// `None`.
    None,
    /// `(a, b)`.
    Tuple(Vec<Self>),
    /// `[a, b]`.
    List(Vec<Self>),
    /// `{a: b}`, keys and values in turn.
    Dict(Vec<Self>),
}

/// A container whose end has not come yet.
struct Open {
    close: u8,
    items: Vec<Literal>,
    /// A comma stands behind the last item: `(a,)` is a tuple, `(a)` is `a`.
    comma: bool,
}

impl Open {
    /// The container with all its items; None if a dictionary lacks a value.
    fn finish(self) -> Option<Literal> {
        match self.close {
            b']' => Some(Literal::List(self.items)),
            b'}' => self.items.len().is_multiple_of(2).then_some(Literal::Dict(self.items)),
            _ if self.items.len() == 1 && !self.comma => self.items.into_iter().next(),
            _ => Some(Literal::Tuple(self.items)),
        }
    }
}

impl Literal {
    /// Parses `text`, blanks around it allowed. None if it is no literal of the kinds above.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut rest = text.trim_ascii();
        let mut open: Vec<Open> = Vec::new();
        loop {
            let (&first, after) = rest.split_first()?;
            let mut value = match first {
                b'(' | b'[' | b'{' => {
                    let close = match first {
                        b'(' => b')',
                        b'[' => b']',
                        _ => b'}',
                    };
                    if open.len() >= DEEPEST {
                        return None;
                    }
                    open.push(Open { close, items: Vec::new(), comma: false });
                    rest = after.trim_ascii_start();
                    continue;
                }
                b')' | b']' | b'}' => {
                    // An end in the place of a value: behind a comma, or of an empty container.
                    let last =
                        open.pop().filter(|last| last.close == first && (last.comma || last.items.is_empty()))?;
                    rest = after;
                    last.finish()?
                }
                _ => {
                    let (value, after) = scalar(rest)?;
                    rest = after;
                    value
                }
            };
            // Whatever ends here is an item of what is around it.
            loop {
                rest = rest.trim_ascii_start();
                let Some(around) = open.last_mut() else { return rest.is_empty().then_some(value) };
                around.items.push(value);
                around.comma = false;
                let (&next, after) = rest.split_first()?;
                rest = after.trim_ascii_start();
                let is_key = around.close == b'}' && !around.items.len().is_multiple_of(2);
                match next {
                    b',' if !is_key => around.comma = true,
                    b':' if is_key => {}
                    _ if next == around.close => {
                        value = open.pop()?.finish()?;
                        continue;
                    }
                    _ => return None,
                }
                break;
            }
        }
    }
}

/// A value without parts, and what is behind it.
fn scalar(text: &[u8]) -> Option<(Literal, &[u8])> {
    let word =
        text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+')).count();
    let (word, rest) = text.split_at_checked(word)?;
    let quoted = matches!(rest.first(), Some(b'\'' | b'"'));
    match word {
        b"" | b"u" | b"b" | b"U" | b"B" if quoted => string(rest),
        b"True" => Some((Literal::Bool(true), rest)),
        b"False" => Some((Literal::Bool(false), rest)),
        b"None" => Some((Literal::None, rest)),
        // Python 2 marks long integers.
        _ => {
            let digits = word.strip_suffix(b"L").unwrap_or(word);
            Some((Literal::Int(std::str::from_utf8(digits).ok()?.parse().ok()?), rest))
        }
    }
}

/// A quoted string; the escapes that field names have.
fn string(text: &[u8]) -> Option<(Literal, &[u8])> {
    let (&quote, mut rest) = text.split_first()?;
    let mut content = Vec::new();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'\n' => return None,
            b'\\' => {
                let (&escaped, after) = rest.split_first()?;
                rest = after;
                match escaped {
                    b'x' => {
                        let (digits, after) = rest.split_at_checked(2)?;
                        content.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                        rest = after;
                    }
                    b'n' => content.push(b'\n'),
                    b't' => content.push(b'\t'),
                    b'r' => content.push(b'\r'),
                    b'\\' | b'\'' | b'"' => content.push(escaped),
                    b'0'..=b'7' | b'u' | b'U' | b'N' | b'a' | b'b' | b'f' | b'v' | b'\n' => return None,
                    // What is no escape stands as it is.
                    other => content.extend([b'\\', other]),
                }
            }
            _ if byte == quote => return Some((Literal::Text(content), rest)),
            _ => content.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Literal {
        Literal::Text(text.into())
    }

    #[test]
    fn literals_are_what_python_takes() {
        let cases: [(&str, Option<Literal>); 17] = [
            ("{}", Some(Literal::Dict(vec![]))),
            ("()", Some(Literal::Tuple(vec![]))),
            ("(1)", Some(Literal::Int(1))),
            ("(1,)", Some(Literal::Tuple(vec![Literal::Int(1)]))),
            ("[1, [2],]", Some(Literal::List(vec![Literal::Int(1), Literal::List(vec![Literal::Int(2)])]))),
            (
                " {'a': (1, -2), \"b\": None}\n",
                Some(Literal::Dict(vec![
                    text("a"),
                    Literal::Tuple(vec![Literal::Int(1), Literal::Int(-2)]),
                    text("b"),
                    Literal::None,
                ])),
            ),
            ("u'\\x6f'", Some(text("o"))),
            ("b'it\\'s'", Some(text("it's"))),
            ("{'a'}", None),
            ("{'a': 1 'b': 2}", None),
            ("(1,,)", None),
            ("[1)", None),
            ("(", None),
            ("f()", None),
            ("'\\117'", None),
            ("1 + 1", None),
            ("", None),
        ];
        for (source, expected) in cases {
            assert_eq!(Literal::parse(source.as_bytes()), expected, "{source}");
        }
        assert_eq!(Literal::parse("(".repeat(100_000).as_bytes()), None);
    }
}
