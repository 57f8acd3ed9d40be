//! Files whose name is the digest of their content: the blobs of image layouts, of Ollama and of the cache of Hugging Face.

/// The SHA-256 that a file has by its path, in hex, if it lies in a store of that kind.
#[must_use]
pub fn declared_digest(path: &str) -> Option<&str> {
    let mut parts = path.rsplit('/');
    let (file, folder, above) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    let hex = match (above, folder) {
        ("blobs", "sha256") => file,
        (_, "blobs") if above.starts_with("models--") || above.starts_with("datasets--") => file,
        (_, "blobs") => file.strip_prefix("sha256-")?,
        _ => return None,
    };
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (hex.len() == 64 && hex.bytes().all(is_hex)).then_some(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_told_by_their_folders() {
        let hex = "0123456789abcdef".repeat(4);
        for path in [
            format!("image/blobs/sha256/{hex}"),
            format!("blobs/sha256/{hex}"),
            format!("models/blobs/sha256-{hex}"),
            format!("hub/models--owner--name/blobs/{hex}"),
        ] {
            assert_eq!(declared_digest(&path), Some(hex.as_str()), "{path}");
        }
        for path in [
            hex.clone(),
            format!("other/{hex}"),
            format!("blobs/{hex}"),
            format!("blobs/sha256/{}", &hex[1..]),
            format!("blobs/sha256/{}", hex.to_uppercase()),
            // Files of git are named by another digest of more than their content.
            format!("hub/models--owner--name/blobs/{}", &hex[..40]),
        ] {
            assert_eq!(declared_digest(&path), None, "{path}");
        }
    }
}
