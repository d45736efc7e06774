//! The relation of two revisions of the same sources, by git.

use std::path::Path;

use crate::error::ImageError;
use crate::revision::{complaint, run};

/// The relation of another revision to one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lineage {
    /// The same commit.
    Same,
    /// An ancestor: all its commits are part of one's own revision.
    Older,
    /// A descendant.
    Newer,
    /// Each revision has commits that the other one does not have.
    Diverged,
    /// The repository does not tell: a commit or part of the history is missing, or a text is not a commit's
    /// id.
    NotKnown,
}

const DOING: &str = "ask git how two revisions are related";

/// The relation of `other` to `own`, both ids of commits, in the repository that a folder is in. The caller
/// deals with `-dirty` at the end of an id, as in [`crate::Revision::label`]: changes that were not committed
/// have no history.
///
/// Nothing is fetched. An id may come from anywhere: one that is not made of hexadecimal digits is not given
/// to git.
///
/// # Errors
///
/// Fails if git is not installed, or if the folder is in no repository.
pub fn lineage(folder: &Path, own: &str, other: &str) -> Result<Lineage, ImageError> {
    let git = |args: &[&str]| run(folder, &[], args);
    let inside = git(&["rev-parse", "--git-dir"])?;
    if !inside.status.success() {
        return Err(ImageError::source(DOING, format!("{} ({})", complaint(&inside), folder.display())));
    }
    let commit = |id: &str| -> Result<Option<String>, ImageError> {
        let id = id.strip_suffix("-dirty").unwrap_or(id);
        if !is_id(id) {
            return Ok(None);
        }
        // This fails if there is no such commit, and if an abbreviation is not unique.
        let found = git(&["rev-parse", "--verify", "--quiet", &format!("{id}^{{commit}}")])?;
        let found = found.status.success().then(|| String::from_utf8_lossy(&found.stdout).trim().to_owned());
        // A branch or a tag can have the beginning of an id as its name.
        Ok(found.filter(|full| full.starts_with(id)))
    };
    let (Some(own), Some(other)) = (commit(own)?, commit(other)?) else { return Ok(Lineage::NotKnown) };
    if own == other {
        return Ok(Lineage::Same);
    }
    // 1 means no; anything else (128) means that git could not tell.
    let is_ancestor = |one: &str, of: &str| -> Result<Option<bool>, ImageError> {
        Ok(match git(&["merge-base", "--is-ancestor", one, of])?.status.code() {
            Some(0) => Some(true),
            Some(1) => Some(false),
            _ => None,
        })
    };
    Ok(match (is_ancestor(&other, &own)?, is_ancestor(&own, &other)?) {
        (Some(true), _) => Lineage::Older,
        (_, Some(true)) => Lineage::Newer,
        // If the history is incomplete, an ancestor may be in the missing part.
        (Some(false), Some(false)) if !is_shallow(folder)? => Lineage::Diverged,
        _ => Lineage::NotKnown,
    })
}

/// Whether a repository has only the newest part of its history, as a clone with `--depth` has. If git is
/// older than 2.15, which does not answer the question, the history is taken to be incomplete.
fn is_shallow(folder: &Path) -> Result<bool, ImageError> {
    let answer = run(folder, &[], &["rev-parse", "--is-shallow-repository"])?;
    Ok(String::from_utf8_lossy(&answer.stdout).trim() != "false")
}

/// Whether a text can be the id of a commit, whole or abbreviated.
fn is_id(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (7..=64).contains(&text.len()) && text.bytes().all(digit)
}

#[cfg(all(test, unix))]
mod tests {
    use quill_admin_testkit::git::{commit, git};

    use super::*;

    #[test]
    fn revisions_are_older_newer_diverged_or_not_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("clone");
        std::fs::create_dir(&root).expect("made");
        git(&root, &["init", "--quiet"]);
        let first = commit(&root, "first");
        let second = commit(&root, "second");
        git(&root, &["checkout", "--quiet", "-b", "other", &first]);
        let other = commit(&root, "other");
        let of = |own: &str, other: &str| lineage(&root, own, other).expect("git answers");
        for (own, than, expected) in [
            (&second, &first, Lineage::Older),
            (&first, &second, Lineage::Newer),
            (&second, &second, Lineage::Same),
            (&second, &other, Lineage::Diverged),
            (&other, &second, Lineage::Diverged),
        ] {
            assert_eq!(of(own, than), expected);
            assert_eq!(of(&own[..12], &format!("{than}-dirty")), expected, "abbreviated, and dirty");
        }
        git(&root, &["branch", "abcdef0", &first]);
        for no_commit in [
            &"0".repeat(40)[..],
            "",
            "HEAD",
            "other",
            "abcdef0",
            "--upload-pack=touch",
            "unknown",
            &second[..6],
        ] {
            assert_eq!(of(&second, no_commit), Lineage::NotKnown, "{no_commit:?}");
        }

        // A shallow clone has the commits, and cannot tell their relation.
        let cut = folder.path().join("cut");
        let url = format!("file://{}", root.display());
        let args = ["clone", "--quiet", "--depth", "1", "--no-single-branch", &url];
        git(folder.path(), &args.into_iter().chain([cut.to_str().expect("text")]).collect::<Vec<_>>());
        assert_eq!(lineage(&cut, &second, &other).expect("git answers"), Lineage::NotKnown);
        assert_eq!(lineage(&cut, &second, &second).expect("git answers"), Lineage::Same);

        let nowhere = folder.path().join("nowhere");
        std::fs::create_dir(&nowhere).expect("made");
        assert!(
            lineage(&nowhere, &second, &other)
                .expect_err("no repository")
                .to_string()
                .starts_with("failed to ask git how two revisions are related: ")
        );
    }
}
