//! The table of tables, and the columns that the SQL of a table names.

use super::Database;
use crate::decode::Stop;

/// Longest SQL of a table that is read.
const LONGEST_SQL: u64 = 1 << 20;
/// Tables that are told of.
const MOST_TABLES: usize = 100_000;
/// Words that begin a constraint, not a column.
const CONSTRAINTS: [&str; 5] = ["constraint", "primary", "unique", "check", "foreign"];

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The page on which its tree begins.
    pub root: u32,
    /// The names of its columns in lower case, as the SQL has them.
    pub columns: Vec<String>,
}

impl Database<'_> {
    /// The tables.
    ///
    /// # Errors
    /// A limit, or I/O. What is broken is kept as a fault.
    pub fn tables(&self) -> Result<Vec<Table>, Stop> {
        let mut tables = Vec::new();
        self.rows(1, &mut |mut row| {
            let kind = self.text(&row.head(self, 0, 16)?);
            let root = row.integer(self, 3)?.and_then(|root| u32::try_from(root).ok());
            // A virtual table has no pages of its own.
            if let (true, Some(root @ 1..)) = (kind == "table" && tables.len() < MOST_TABLES, root) {
                let name = self.text(&row.head(self, 1, 1024)?);
                let sql = self.text(&row.head(self, 4, LONGEST_SQL)?);
                tables.push(Table { name, root, columns: columns(&sql) });
            }
            Ok(())
        })?;
        Ok(tables)
    }
}

/// The names of the columns in a statement that creates a table.
fn columns(sql: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut word, mut begins) = (0_u32, String::new(), false);
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        let close = match c {
            '"' | '\'' | '`' => Some(c),
            '[' => Some(']'),
            _ => None,
        };
        if let Some(close) = close {
            // A doubled quote ends one part and begins the next: names with quotes in them belong to no known layout.
            let quoted: String = chars.by_ref().take_while(|&c| c != close).collect();
            if depth == 1 && begins && word.is_empty() {
                names.push(quoted.to_lowercase());
                begins = false;
            }
            continue;
        }
        match c {
            '-' if chars.peek() == Some(&'-') => {
                let _ = chars.by_ref().find(|&c| c == '\n');
            }
            '/' if chars.peek() == Some(&'*') => {
                let mut before = ' ';
                let _ = chars.by_ref().skip(1).find(|&c| std::mem::replace(&mut before, c) == '*' && c == '/');
            }
            _ if depth == 1 && begins && (c.is_alphanumeric() || c == '_' || c == '$') => {
                word.push(c);
                continue;
            }
            _ => {}
        }
        if begins && !word.is_empty() {
            let name = std::mem::take(&mut word).to_lowercase();
            begins = false;
            if !CONSTRAINTS.contains(&name.as_str()) {
                names.push(name);
            }
        }
        match c {
            '(' => {
                depth = depth.saturating_add(1);
                begins |= depth == 1 && names.is_empty();
            }
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 1 => begins = true,
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn columns_are_named_in_many_ways() {
        let cases = [
            ("CREATE TABLE \"a(b\" (key TEXT PRIMARY KEY, value BLOB)", vec!["key", "value"]),
            (
                "CREATE TABLE t(\"Key\" TEXT, [value x] BLOB DEFAULT ',', `c`, UNIQUE (key, c))",
                vec!["key", "value x", "c"],
            ),
            ("create table t (a, -- first, b\n b /* c, d */ INT CHECK (b IN (1, 2)), PRIMARY KEY (a))", vec!["a", "b"]),
            ("CREATE TABLE t(a)", vec!["a"]),
            ("CREATE TABLE t", vec![]),
            ("", vec![]),
        ];
        for (sql, expected) in cases {
            assert_eq!(columns(sql), expected, "{sql}");
        }
    }
}
