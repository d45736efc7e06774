//! The names that Unix and Windows have for the same things: the home folder, a program's file, the commands of a
//! shell.
//!
//! It stands in this crate because all crates that need it use this one already.

use std::path::{Path, PathBuf};

/// The variable that names the person's home folder.
pub const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };

/// The command that sets a variable in the person's shell, to a value that is quoted where it has to be; on Windows
/// that of PowerShell, which wants quotes in any case.
#[must_use]
pub fn set_variable(name: &str, value: &str) -> String {
    if cfg!(windows) {
        format!("$env:{name} = \"{}\"", value.trim_matches('"'))
    } else {
        format!("export {name}={value}")
    }
}

/// The command that removes a variable in the person's shell; on Windows that of PowerShell.
#[must_use]
pub fn unset_variable(name: &str) -> String {
    if cfg!(windows) { format!("Remove-Item Env:{name}") } else { format!("unset {name}") }
}

/// Finds a program in the folders of `PATH`. Relative folders are skipped, since they depend on the current folder,
/// which may be anybody's. On Windows the name has no extension: `.exe` and `.cmd` are tried in each folder.
#[must_use]
pub fn program(name: &str, path: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .flat_map(|folder| sys::names(name).map(move |name| folder.join(name)))
        .find(|program| sys::is_executable(program))
}

#[cfg(unix)]
mod sys {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Path;

    pub(super) fn names(name: &str) -> impl Iterator<Item = String> + use<> {
        std::iter::once(name.to_owned())
    }

    pub(super) fn is_executable(program: &Path) -> bool {
        program
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    }
}

#[cfg(windows)]
mod sys {
    use super::Path;

    /// The kinds of programs that the standard library can start. `PATHEXT` may list others, such as scripts for
    /// interpreters, which only a shell starts.
    const EXTENSIONS: [&str; 2] = ["exe", "cmd"];

    pub(super) fn names(name: &str) -> impl Iterator<Item = String> + use<> {
        let name = name.to_owned();
        EXTENSIONS.into_iter().map(move |extension| format!("{name}.{extension}"))
    }

    pub(super) fn is_executable(program: &Path) -> bool {
        program.is_file()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A program of that name, as this system has them.
    fn make(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(sys::names(name).last().unwrap());
        fs::write(&path, "").unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn the_first_folder_of_the_path_that_has_it() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = std::env::join_paths([Path::new("."), first.path(), second.path()]).unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(program("tool", path), None);
        let there = make(second.path(), "tool");
        assert_eq!(program("tool", path), Some(there));
        let nearer = make(first.path(), "tool");
        assert_eq!(program("tool", path), Some(nearer));
        assert_eq!(program("tool", "."), None);
        // A folder of that name is no program.
        fs::create_dir(first.path().join(sys::names("other").last().unwrap())).unwrap();
        assert_eq!(program("other", path), None);
    }
}
