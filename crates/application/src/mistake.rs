//! The mistakes that make a file unusable.

use std::fmt;
use std::path::{Path, PathBuf};

use quill_admin_yaml::{Mistake, Place};

/// A file that cannot be used, with its mistakes in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The file.
    pub file: PathBuf,
    /// The mistakes that are reported; at least one.
    pub mistakes: Vec<Mistake>,
    /// Number of further mistakes.
    pub more: usize,
}

impl Broken {
    /// Largest number of mistakes that are reported of one file.
    pub const MOST: usize = 50;

    /// Makes the error. `more` is the number of mistakes beyond those that are given.
    pub(crate) fn new(file: &Path, mut mistakes: Vec<Mistake>, more: usize) -> Self {
        mistakes.sort_by_key(|mistake| mistake.place);
        mistakes.dedup();
        let more = more + mistakes.len().saturating_sub(Self::MOST);
        mistakes.truncate(Self::MOST);
        Self { file: file.to_owned(), mistakes, more }
    }
}

impl Broken {
    /// Makes the error with one mistake, which is about the whole file.
    pub(crate) fn whole(file: &Path, what: impl Into<String>) -> Self {
        Self::new(file, vec![Mistake::new(Place::START, what)], 0)
    }
}

impl fmt::Display for Broken {
    /// One line for each mistake: `FILE:LINE:COLUMN: what is wrong`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{file}:{mistake}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n{file}: and {more} more"),
        }
    }
}

impl std::error::Error for Broken {}
