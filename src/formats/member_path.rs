//! Would a reader that extracts an archive member leave the folder it extracts to?
//!
//! Decided on the normalised path and for every operating system at once: the archive does not say where it will be
//! extracted.

/// Why `name` leaves its folder, if it does. Both separators count.
#[must_use]
pub(super) fn escape(name: &str) -> Option<&'static str> {
    if name.contains('\0') {
        return Some("NUL in the name: some readers stop there");
    }
    if name.starts_with(['/', '\\']) {
        return Some(if is_unc(name) { "network path" } else { "absolute path" });
    }
    if has_drive(name) {
        return Some("path on a drive");
    }
    depth(name, 0).is_none().then_some("leaves its folder by '..'")
}

/// Why a link at `name` leads out of the folder it is extracted to, if it does.
#[must_use]
pub(super) fn link_escape(name: &str, target: &str) -> Option<&'static str> {
    if target.starts_with(['/', '\\']) || has_drive(target) {
        return Some("absolute target");
    }
    let folder = name.rsplit_once(['/', '\\']).map_or("", |(folder, _)| folder);
    let start = depth(folder, 0)?;
    depth(target, start).is_none().then_some("target outside its folder")
}

/// Do tools leave the member out of their lists by default, for a dot in front of its name or of a folder's?
#[must_use]
pub fn is_hidden(name: &str) -> bool {
    name.split(['/', '\\']).any(|part| part.starts_with('.') && !matches!(part.trim_end(), "." | ".."))
}

/// Where extraction puts a member: its name without what systems leave out, with one kind of separator. Windows drops
/// blanks and dots at the end of a part.
#[must_use]
pub(super) fn place(name: &str) -> String {
    let parts = name.split(['/', '\\']).filter(|part| !matches!(*part, "" | "."));
    let parts = parts.map(|part| match part.trim_end_matches([' ', '.']) {
        "" => part,
        trimmed => trimmed,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// How deep a path ends that starts `start` levels deep; None if it goes above the root on its way.
fn depth(path: &str, start: u32) -> Option<u32> {
    path.split(['/', '\\']).try_fold(start, |depth, part| match part.trim_end_matches(' ') {
        "" | "." => Some(depth),
        // Windows takes `.. .` and the like for the folder above as well.
        dots if dots == ".."
            || (dots.contains(' ') && dots.starts_with("..") && dots.trim_matches([' ', '.']).is_empty()) =>
        {
            depth.checked_sub(1)
        }
        _ => depth.checked_add(1),
    })
}

/// `C:\x` and `C:/x`, and `C:..\x`, which counts from where that drive stands. A bare `a:0` is an ordinary tensor name.
fn has_drive(name: &str) -> bool {
    let mut chars = name.chars();
    let (drive, colon, rest) = (chars.next(), chars.next(), chars.as_str());
    let leaves = rest.starts_with(['/', '\\']) || rest.split(['/', '\\']).next() == Some("..");
    drive.is_some_and(|c| c.is_ascii_alphabetic()) && colon == Some(':') && leaves
}

fn is_unc(name: &str) -> bool {
    name.starts_with("\\\\") || name.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_seen_through_separators_and_detours() {
        for name in [
            "../x",
            "a/../../x",
            "a\\..\\..\\x",
            "..\\x",
            "/etc/x",
            "\\x",
            "C:\\x",
            "c:/x",
            "\\\\host\\x",
            "a/b\0.txt",
            ".. /x",
            "x/..//../y",
            ".. ./x",
            "C:..\\x",
            "\\\\?\\C:\\x",
        ] {
            assert!(escape(name).is_some(), "{name:?}");
        }
    }

    #[test]
    fn ordinary_names_stay_inside() {
        for name in
            ["a/b", "v1..2.bin", "./x", "a/../b", "...", "a..", "..a/b", "dense/kernel:0.npy", "a:0.npy", "a\\b.txt"]
        {
            assert_eq!(escape(name), None, "{name:?}");
        }
    }

    #[test]
    fn one_place_has_many_spellings() {
        for name in ["a/b.txt", "./a//b.txt", "a\\b.txt", "a/b.txt.", "a /b.txt ."] {
            assert_eq!(place(name), "a/b.txt", "{name:?}");
        }
        assert_ne!(place("a/../b"), place("b"));
        assert_eq!(place("..."), "...");
    }

    #[test]
    fn links_are_resolved_from_their_folder() {
        assert_eq!(link_escape("a/b/link", "../c"), None);
        assert_eq!(link_escape("link", "lib.so.1"), None);
        assert!(link_escape("a/link", "../../x").is_some());
        assert!(link_escape("link", "/etc/passwd").is_some());
    }
}
