//! Paths of objects, kept as a tree: a chain of groups may be as long as the file.

/// Components of a path that are shown; those in front of them are left out.
const MOST_COMPONENTS: usize = 64;
/// Bytes of a name that are kept.
const MOST_NAME: usize = 256;

/// The objects of a file in the order in which they are found.
#[derive(Default)]
pub(super) struct Paths {
    nodes: Vec<Node>,
}

struct Node {
    parent: Option<usize>,
    name: Box<str>,
    address: u64,
}

impl Paths {
    /// Begins with the root group.
    pub(super) fn root(&mut self, address: u64) {
        self.nodes.push(Node { parent: None, name: Box::default(), address });
    }

    /// Adds a member of the group of that number.
    pub(super) fn add(&mut self, parent: usize, name: String, address: u64) {
        self.nodes.push(Node { parent: Some(parent), name: capped(name), address });
    }

    /// The address of the object of that number.
    pub(super) fn address(&self, number: usize) -> Option<u64> {
        self.nodes.get(number).map(|node| node.address)
    }

    /// The path of the object of that number, without a slash in front; empty for the root.
    pub(super) fn of(&self, number: usize) -> String {
        let mut names = Vec::new();
        let mut next = self.nodes.get(number);
        while let Some(node) = next.filter(|node| node.parent.is_some()) {
            if names.len() == MOST_COMPONENTS {
                names.push("…");
                break;
            }
            names.push(&*node.name);
            next = node.parent.and_then(|parent| self.nodes.get(parent));
        }
        names.reverse();
        names.join("/")
    }

    /// The path of a member of the object of that number.
    pub(super) fn below(&self, number: usize, name: &str) -> String {
        let group = self.of(number);
        if group.is_empty() { name.to_owned() } else { format!("{group}/{name}") }
    }
}

fn capped(mut name: String) -> Box<str> {
    let end = (0..=MOST_NAME).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
    name.truncate(end);
    name.into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_long_chains_are_short() {
        let mut paths = Paths::default();
        paths.root(0);
        for n in 0..1000 {
            paths.add(n, format!("g{n}"), n as u64);
        }
        assert_eq!(paths.of(0), "");
        assert_eq!(paths.of(2), "g0/g1");
        assert!(paths.of(1000).starts_with("…/") && paths.of(1000).ends_with("/g999"));
        assert_eq!(capped("é".repeat(200)).len(), 256);
        assert_eq!(&*capped("short".to_owned()), "short");
    }
}
