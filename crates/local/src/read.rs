//! Reading the small files of the state.

use std::fs::File;
use std::io::{self, Read as _};

/// The content of a file that this program wrote.
pub(crate) fn read_all(mut file: File) -> io::Result<Vec<u8>> {
    /// Larger than any of these files.
    const LONGEST: u64 = 64 * 1024;
    let mut content = Vec::new();
    (&mut file).take(LONGEST).read_to_end(&mut content)?;
    Ok(content)
}
