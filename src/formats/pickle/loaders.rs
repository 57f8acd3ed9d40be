//! Text that a pickle gives to another unsafe loader: the Python names in YAML tags and in the keys of jsonpickle.
//!
//! The loader is a finding whatever it is given; what it would call with this text is stated beside it.

use super::facts::Place;
use super::nested;
use crate::bytes::MemorySource;
use crate::decode::pickle::{Machine, Purpose, TextLoader};
use crate::fact::Fact;
use crate::formats::{Scan, json_objects};

/// Text of one stream that is looked at.
const LONGEST: usize = 8 << 20;
/// Names that are told of one stream.
const MOST_NAMES: usize = 10_000;

/// A name that a loader reaches.
struct Found {
    name: String,
    usage: &'static str,
}

/// States the names in texts that a finished run gives to other loaders.
pub(super) fn state(scan: &mut Scan<'_>, machine: &Machine<'_>, place: Place, stream: u64) {
    let (mut told, mut left) = (0_usize, LONGEST);
    for nested in &machine.evidence().nested {
        let Purpose::Text(loader) = nested.purpose else { continue };
        let Some(bytes) = nested::bytes_of(machine, nested, place, left) else { continue };
        left = left.saturating_sub(bytes.len().max(4096));
        let (found, opcode) = match loader {
            TextLoader::Yaml => (yaml(&String::from_utf8_lossy(&bytes)), "yaml"),
            TextLoader::Jsonpickle => (jsonpickle(&bytes), "jsonpickle"),
        };
        for Found { name, usage } in found {
            told = told.saturating_add(1);
            if told > MOST_NAMES {
                return;
            }
            state_name(scan, place.offset(nested.at), (opcode, stream), (&name, usage), 1);
        }
    }
}

/// States a name that a loader of text reaches, written in the way that `opcode` says.
pub fn state_name(scan: &mut Scan<'_>, at: u64, (opcode, stream): (&str, u64), (name, usage): (&str, &str), count: u64) {
    let (module, function) = match name.rsplit_once('.') {
        _ if usage == "imported" => (name, "*"),
        Some((module, function)) => (module, function),
        None => ("builtins", name),
    };
    let invoked = usage == "called";
    let fact = Fact::Global {
        module,
        function,
        opcode,
        invoked_by: "",
        invoked,
        usage: if invoked { "called" } else { "referenced" },
        arguments: "",
        call: "",
        calls: "",
        protocol: 4,
        stream,
        count,
    };
    scan.fact(at, 0, fact);
}

/// The Python tags of a YAML text. A tag may be shortened by a directive, so the end of its path decides.
fn yaml(text: &str) -> Vec<Found> {
    let separates = |c: char| c.is_whitespace() || matches!(c, '[' | ']' | '{' | '}' | ',' | '"' | '\'');
    let mut found = Vec::new();
    // The address of the standard tags has a comma in it, which else ends a tag.
    let text = text.replace("yaml.org,2002:", "yaml.org/2002/");
    for token in text.split(separates).filter(|token| token.contains('!')) {
        let tag = percent_decoded(token.get(token.find('!').unwrap_or(0)..).unwrap_or(token));
        let Some((path, name)) = tag.rsplit_once(':') else { continue };
        let kind = path.rsplit(['/', '!', ':']).next().unwrap_or_default();
        let usage = match kind {
            "apply" | "new" | "object" => "called",
            "name" => "referenced",
            "module" => "imported",
            _ => continue,
        };
        found.push(Found { name: name.trim_end_matches('>').to_owned(), usage });
    }
    found
}

/// A tag writes any character as `%XX` if it likes.
fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.split_at_checked(2).map(|(digits, rest)| (u8::from_str_radix(digits, 16), rest)) {
            Some((Ok(byte), rest)) => {
                out.push(byte);
                out.extend(rest.as_bytes());
            }
            _ => {
                out.push(b'%');
                out.extend(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The names that jsonpickle reaches in a text.
fn jsonpickle(text: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    // What came before a break has been reached.
    let _ = json_objects::walk(&*MemorySource::new(text), &mut |one| {
        if let json_objects::Found::Name { name, usage, .. } = one {
            found.push(Found { name, usage });
        }
        Ok(found.len() < MOST_NAMES)
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: Vec<Found>) -> Vec<(String, &'static str)> {
        found.into_iter().map(|found| (found.name, found.usage)).collect()
    }

    #[test]
    fn yaml_tags_are_read_however_they_are_written() {
        for text in [
            "!!python/object/apply:os.system ['x']",
            "a: [!!python/object/new:os.system {}]",
            "!<tag:yaml.org,2002:python/object/apply:os.system> [x]",
            "%TAG !p! tag:yaml.org,2002:python/\n---\n!p!object/apply:os.system [x]",
            "!!python/object/apply:os%2Esystem [x]",
            "? !!python/object:os.system",
        ] {
            assert_eq!(names(yaml(text)), [("os.system".to_owned(), "called")], "{text}");
        }
        assert_eq!(names(yaml("!!python/module:os ''")), [("os".to_owned(), "imported")]);
        assert_eq!(names(yaml("name: !!python/tuple [os.system, !!str x]")), []);
    }
}
