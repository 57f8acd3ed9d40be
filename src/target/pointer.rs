//! Files that stand for others: Git LFS pointers, git-annex links and pointers, DVC files.
//!
//! Only parsing; `store` finds the objects. A file is a pointer only if all of it is: text that starts as a pointer
//! and goes on as something else is an ordinary file and scanned as one.
//!
//! Git LFS: <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>. git-annex:
//! <https://git-annex.branchable.com/internals/pointer_file/>. DVC:
//! <https://dvc.org/doc/user-guide/project-structure/dvc-files>.

/// Longest Git LFS or annex pointer, bytes. The LFS specification's bound; annex keys are shorter still.
pub(super) const MAX_POINTER: u64 = 1024;
/// Longest DVC file that is read. Those of DVC have a few lines for each output.
pub(super) const MAX_DVC: u64 = 4 << 20;
/// Outputs of one DVC file, files of one tracked folder. Image data sets have some hundred thousand files.
const MAX_OUTPUTS: usize = 1_000_000;

/// What a pointer names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) system: System,
    /// SHA-256 in hex, annex key, MD5 in hex.
    pub(super) id: String,
    /// Size of the object in bytes, if the pointer says it.
    pub(super) size: Option<u64>,
    /// Path of the data relative to the folder of the pointer, if its name is another than the pointer's.
    pub(super) member: Option<String>,
}

/// Who wrote the pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Lfs,
    Annex,
    Dvc,
}

impl Pointer {
    /// The name of the system in facts and reports.
    pub(super) const fn kind(&self) -> &'static str {
        match self.system {
            System::Lfs => "git-lfs",
            System::Annex => "git-annex",
            System::Dvc => "dvc",
        }
    }

    /// The SHA-256 of the object in hex, if the pointer says it.
    #[cfg(feature = "git")]
    pub(super) fn sha256(&self) -> Option<&str> {
        let digest = match self.system {
            System::Lfs => Some(self.id.as_str()),
            System::Annex if self.id.starts_with("SHA256") => {
                let (_, name) = self.id.split_once("--")?;
                name.split('.').next()
            }
            System::Annex | System::Dvc => None,
        };
        digest.filter(|digest| is_hex(digest, 64))
    }

    /// The object in words.
    pub(super) fn object(&self) -> String {
        match self.system {
            System::Lfs => format!("sha256:{}", self.id),
            System::Annex => self.id.clone(),
            System::Dvc => format!("md5:{}", self.id),
        }
    }
}

/// True if a file of that name and size may be a pointer, so that it is worth reading.
pub(super) fn may_be_pointer(name: &str, size: u64) -> bool {
    (size > 0 && size <= MAX_POINTER) || (is_dvc(name) && size <= MAX_DVC)
}

/// The pointers that a file consists of; none for an ordinary file. Only DVC files have more than one.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Vec<Pointer> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
    if is_dvc(name) {
        return parse_dvc(text);
    }
    if bytes.len() as u64 > MAX_POINTER {
        return Vec::new();
    }
    parse_lfs(text).or_else(|| parse_annex(text)).into_iter().collect()
}

fn is_dvc(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or_default();
    base == "dvc.lock" || base.strip_suffix(".dvc").is_some_and(|stem| !stem.is_empty())
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `version` first, then `oid`, `size` and extensions in any order, each once, nothing else.
fn parse_lfs(text: &str) -> Option<Pointer> {
    let mut lines = text.trim_end_matches(['\n', '\r']).lines();
    let version = lines.next()?.strip_prefix("version ")?;
    let known = ["https://git-lfs.github.com/spec/v1", "https://hawser.github.com/spec/v1", "http://git-media.io/v/2"];
    if !known.contains(&version) {
        return None;
    }
    let (mut oid, mut size) = (None, None);
    for line in lines {
        let (key, value) = line.split_once(' ')?;
        let hash = value.strip_prefix("sha256:").filter(|hash| is_hex(hash, 64));
        match key {
            "oid" if oid.is_none() => oid = Some(hash?),
            "size" if size.is_none() => size = Some(value.parse::<u64>().ok()?),
            _ if key.strip_prefix("ext-").is_some_and(is_extension) => {
                hash?;
            }
            _ => return None,
        }
    }
    Some(Pointer { system: System::Lfs, id: oid?.to_owned(), size: Some(size?), member: None })
}

/// `0-name`.
fn is_extension(text: &str) -> bool {
    text.split_once('-').is_some_and(|(order, name)| {
        order.len() == 1
            && order.bytes().all(|byte| byte.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    })
}

/// An unlocked annexed file: one line `/annex/objects/KEY`.
fn parse_annex(text: &str) -> Option<Pointer> {
    let key = text.strip_suffix('\n').unwrap_or(text).strip_prefix("/annex/objects/")?;
    annex_key(key)
}

/// A locked annexed file: a symbolic link to `…/.git/annex/objects/Xx/Yy/KEY/KEY`.
pub(super) fn parse_annex_link(target: &[u8]) -> Option<Pointer> {
    let text = std::str::from_utf8(target).ok()?.replace('\\', "/");
    let mut parts = text.rsplit('/');
    let (key, folder) = (parts.next()?, parts.next()?);
    let inside = text.contains(".git/annex/objects/") || text.contains("/annex/objects/") && text.contains(".git/");
    if key != folder || !inside {
        return None;
    }
    annex_key(key)
}

/// `BACKEND[-sSIZE][-mMTIME][-SCHUNK][-CNUMBER]--NAME`.
fn annex_key(key: &str) -> Option<Pointer> {
    let (fields, name) = key.split_once("--")?;
    let mut fields = fields.split('-');
    let backend = fields.next()?;
    let plain = backend.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if backend.is_empty() || !plain || name.is_empty() || key.contains(['/', '\\', '\n', '\0']) {
        return None;
    }
    let mut size = None;
    for field in fields {
        let (kind, number) = field.split_at_checked(1)?;
        let number: u64 = number.parse().ok()?;
        match kind {
            "s" => size = Some(number),
            "m" | "S" | "C" => {}
            _ => return None,
        }
    }
    Some(Pointer { system: System::Annex, id: key.to_owned(), size, member: None })
}

/// The `outs` of a `.dvc` file or of the stages of `dvc.lock`, read line by line: DVC writes block YAML only. A file
/// of another shape has no outputs here and stays an ordinary file.
fn parse_dvc(text: &str) -> Vec<Pointer> {
    let mut outputs = Vec::new();
    // Indent of the `outs:` key in force, and the fields of the current item.
    let mut outs: Option<usize> = None;
    let mut item = Item::default();
    for line in text.lines() {
        let body = line.trim_start();
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        let indent = line.len().saturating_sub(body.len());
        let starts_item = body.starts_with("- ") || body == "-";
        if outs.is_some_and(|at| indent < at || (indent == at && !starts_item)) {
            item.finish(&mut outputs);
            outs = None;
        }
        if outs.is_none() {
            if body.trim_end() == "outs:" {
                outs = Some(indent);
            }
            continue;
        }
        if starts_item {
            item.finish(&mut outputs);
        }
        item.field(body.strip_prefix("- ").unwrap_or(body).trim());
        if outputs.len() >= MAX_OUTPUTS {
            break;
        }
    }
    item.finish(&mut outputs);
    outputs
}

/// One item of `outs` while it is read.
#[derive(Default)]
struct Item {
    md5: Option<String>,
    size: Option<u64>,
    path: Option<String>,
}

impl Item {
    fn field(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(':') else { return };
        let value = unquote(value.trim());
        match key {
            "md5" => {
                let hash = value.strip_suffix(".dir").unwrap_or(&value);
                self.md5 = Some(value.clone()).filter(|_| is_hex(hash, 32));
            }
            "size" => self.size = value.parse().ok(),
            "path" => self.path = Some(value),
            _ => {}
        }
    }

    /// Adds the output if it names an object, and starts the next.
    fn finish(&mut self, outputs: &mut Vec<Pointer>) {
        let Self { md5, size, path } = std::mem::take(self);
        if let (Some(id), Some(path)) = (md5, path) {
            outputs.push(Pointer { system: System::Dvc, id, size, member: Some(path) });
        }
    }
}

/// A YAML scalar on one line without its quotes. Escapes inside double quotes are left: the name is only shown.
fn unquote(value: &str) -> String {
    let inner = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    match inner('\'') {
        Some(text) => text.replace("''", "'"),
        None => inner('"').unwrap_or(value).to_owned(),
    }
}

/// The files of a folder that DVC tracks, from the JSON list in its `.dir` object.
pub(super) fn parse_dvc_folder(folder: &Pointer, json: &[u8]) -> Option<Vec<Pointer>> {
    #[derive(serde::Deserialize)]
    struct File {
        md5: String,
        relpath: String,
    }
    let files: Vec<File> = serde_json::from_slice(json).ok()?;
    let base = folder.member.as_deref().unwrap_or_default();
    let member = |file: &File| Some(format!("{base}/{}", file.relpath));
    let pointer = |file: &File| Pointer { member: member(file), id: file.md5.clone(), size: None, ..folder.clone() };
    let sound = files.len() <= MAX_OUTPUTS && files.iter().all(|file| is_hex(&file.md5, 32));
    sound.then(|| files.iter().map(pointer).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    #[test]
    fn lfs_pointers_are_read_in_any_key_order_with_extensions() {
        let text = format!(
            "version https://git-lfs.github.com/spec/v1\nsize 12345\next-0-foo sha256:{OID}\noid sha256:{OID}\n"
        );
        let pointers = parse("a.pt", text.as_bytes());
        assert_eq!(pointers.len(), 1);
        assert_eq!(pointers[0].object(), format!("sha256:{OID}"));
        assert_eq!(pointers[0].size, Some(12345));
    }

    #[test]
    fn what_only_begins_as_a_pointer_is_none() {
        let head = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize 5\n");
        assert_eq!(parse("a", head.as_bytes()).len(), 1);
        for tail in ["cos\nsystem\n", "\u{0}", "oid sha256:aa\n", "size 6\n", "ext-0-x y\n"] {
            assert!(parse("a", format!("{head}{tail}").as_bytes()).is_empty(), "{tail:?}");
        }
        assert!(parse("a", head.replace("sha256:4", "sha256:").as_bytes()).is_empty());
        assert!(parse("a", format!("{head}{}", "\n".repeat(1100)).as_bytes()).is_empty());
    }

    #[test]
    fn annex_keys_give_their_size() {
        let key = "SHA256E-s1048576--abc.bin";
        let pointer = parse_annex_link(format!("../.git/annex/objects/Xk/2F/{key}/{key}").as_bytes()).unwrap();
        assert_eq!((pointer.object().as_str(), pointer.size), (key, Some(1_048_576)));
        assert_eq!(parse("a", format!("/annex/objects/{key}\n").as_bytes()), [pointer]);
        assert!(parse_annex_link(b"../.git/annex/objects/a/b/SHA256E--x/other").is_none());
        assert!(parse("a", b"/annex/objects/../../etc/passwd").is_empty());
    }

    #[test]
    fn dvc_outputs_are_read_and_dependencies_are_not() {
        let md5 = "ec1d2935f811b77cc49b031b999cbf17";
        let text = format!(
            "deps:\n- md5: {md5}\n  path: code.py\nouts:\n- md5: {md5}\n  size: 12\n  hash: md5\n  path: 'a b.pt'\n- path: dir\n  md5: {md5}.dir\nmeta:\n  path: x\n"
        );
        let outputs = parse("x.pt.dvc", text.as_bytes());
        assert_eq!(outputs.len(), 2);
        assert_eq!((outputs[0].member.as_deref(), outputs[0].size), (Some("a b.pt"), Some(12)));
        assert_eq!(outputs[1].id, format!("{md5}.dir"));
        let lock = format!(
            "schema: '2.0'\nstages:\n  train:\n    cmd: python x.py\n    deps:\n    - path: d\n      md5: {md5}\n    outs:\n    - path: model.pt\n      hash: md5\n      md5: {md5}\n      size: 7\n"
        );
        assert_eq!(parse("dvc.lock", lock.as_bytes()).len(), 1);
        assert!(parse("x.txt", text.as_bytes()).is_empty());
    }
}
