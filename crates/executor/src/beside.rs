//! Reads the actions from the file beside the program, in an image that was put together from a compiled
//! program and an application's actions. The file's place is fixed, so that whoever starts the job cannot
//! choose other actions: neither a variable nor an argument can change it.

use std::io;
use std::path::Path;

use quill_admin_contract::image::ACTIONS_FILE;

use crate::small_file;

/// Largest size of the file, in MiB.
const LARGEST: u64 = 16;

/// The actions beside this program; `None` where there is no such file. It is an error if that cannot be
/// found out: the program's own actions may not be the intended ones.
pub(crate) fn read() -> Result<Option<Vec<u8>>, String> {
    let program = std::env::current_exe()
        .map_err(|error| format!("the program's own folder, where actions may lie, is not known: {error}"))?;
    beside(&program)
}

fn beside(program: &Path) -> Result<Option<Vec<u8>>, String> {
    let file = program.with_file_name(ACTIONS_FILE);
    match small_file::read(&file, LARGEST) {
        Ok(actions) => Ok(Some(actions)),
        // A symbolic link to a missing file counts as an error, not as no file.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.is_symlink() => Ok(None),
        Err(error) => Err(format!("failed to read the actions in {}: {error}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_beside_the_program_are_read_and_what_cannot_be_read_is_not_told_as_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("program");
        let file = folder.path().join(ACTIONS_FILE);
        assert_eq!(beside(&program), Ok(None));
        std::fs::write(&file, "{}").expect("written");
        assert_eq!(beside(&program), Ok(Some(b"{}".to_vec())));
        std::fs::remove_file(&file).expect("removed");
        std::os::unix::fs::symlink("nowhere", &file).expect("linked");
        let refused = beside(&program).expect_err("a link to nothing");
        assert!(refused.starts_with("failed to read the actions in "), "{refused}");
        std::fs::remove_file(&file).expect("removed");
        std::fs::create_dir(&file).expect("made");
        let refused = beside(&program).expect_err("a folder");
        assert!(refused.ends_with(": it is not a regular file"), "{refused}");
    }
}
