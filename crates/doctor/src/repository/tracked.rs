//! The files that git tracks, from its index ("index-format" in git's documentation). git itself is not asked:
//! the configuration of a checkout can name programs that git then runs.

use std::path::Path;

use quill_admin_files::read_bounded;

/// The largest index that is read, in bytes: about a million files.
const LARGEST: u64 = 128 << 20;

/// The paths of the files that git tracks, below the checkout's root. Without git there are none.
///
/// # Errors
///
/// Fails, in words, when the index cannot be read, or has a form that is not known here.
pub(super) fn paths(root: &Path) -> Result<Vec<String>, String> {
    let git = root.join(".git");
    // In a worktree and in a submodule, a file says where git's folder is.
    let named = std::fs::read_to_string(&git).unwrap_or_default();
    let git = named.strip_prefix("gitdir:").map_or(git, |folder| root.join(folder.trim()));
    match read_bounded(&git.join("index"), LARGEST) {
        Ok(bytes) => parse(&bytes).ok_or_else(|| "it has a form that is not known here".to_owned()),
        Err(error) if error.is_missing() => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
    }
}

/// The paths in an index of version 2 or 3, with digests of 20 bytes.
fn parse(bytes: &[u8]) -> Option<Vec<String>> {
    if !bytes.starts_with(b"DIRC\0\0\0\x02") && !bytes.starts_with(b"DIRC\0\0\0\x03") {
        return None;
    }
    let count = u32::from_be_bytes(bytes.get(8..12)?.try_into().ok()?);
    let (mut paths, mut at) = (Vec::new(), 12);
    for _ in 0..count {
        let flags = u16::from_be_bytes(bytes.get(at + 60..at + 62)?.try_into().ok()?);
        let begin = at + 62 + if flags & 0x4000 == 0 { 0 } else { 2 };
        let length = bytes.get(begin..)?.iter().position(|byte| *byte == 0)?;
        // With longer digests, the length stands elsewhere.
        if usize::from(flags & 0xfff) != length.min(0xfff) {
            return None;
        }
        paths.push(String::from_utf8_lossy(&bytes[begin..begin + length]).into_owned());
        at += (begin + length - at) / 8 * 8 + 8;
    }
    // The paths of a split index are in another file, too.
    (bytes.get(at..at + 4)? != b"link").then_some(paths)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An index of these paths.
    pub(in super::super) fn index(paths: &[&str]) -> Vec<u8> {
        let mut bytes =
            [b"DIRC\0\0\0\x02".as_slice(), &u32::try_from(paths.len()).unwrap().to_be_bytes()].concat();
        for path in paths {
            let begin = bytes.len();
            bytes.extend([7; 60]);
            bytes.extend(u16::try_from(path.len()).unwrap().to_be_bytes());
            bytes.extend(path.as_bytes());
            bytes.resize(begin + (bytes.len() - begin) / 8 * 8 + 8, 0);
        }
        bytes.extend([9; 20]);
        bytes
    }

    #[test]
    fn paths_of_an_index_and_forms_that_are_not_known() {
        let bytes = index(&["a", "out/build.sh", "exactly-8-more-bytes-xx"]);
        assert_eq!(parse(&bytes).unwrap(), ["a", "out/build.sh", "exactly-8-more-bytes-xx"]);
        assert_eq!(parse(&bytes[..40]), None);
        assert_eq!(parse(&[b"DIRC\0\0\0\x04", &bytes[8..]].concat()), None);
        let end = bytes.len() - 20;
        assert_eq!(parse(&[&bytes[..end], b"link", &bytes[end..]].concat()), None);
    }

    #[test]
    fn the_index_of_a_worktree_is_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("tree");
        std::fs::create_dir_all(&root).unwrap();
        assert_eq!(paths(&root).unwrap(), [""; 0]);
        std::fs::write(root.join(".git"), "gitdir: ../git\n").unwrap();
        std::fs::create_dir(folder.path().join("git")).unwrap();
        std::fs::write(folder.path().join("git/index"), index(&["a"])).unwrap();
        assert_eq!(paths(&root).unwrap(), ["a"]);
        std::fs::write(folder.path().join("git/index"), "DIRC").unwrap();
        assert!(paths(&root).is_err());
    }
}
