//! What a build gets: the files of a folder, less what `.dockerignore` names.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::{ImageError, ImageErrorKind};
use crate::ignore::Ignore;

/// The files a build gets, in a fixed order. Their contents are read when they are needed.
#[derive(Debug)]
pub struct Context {
    root: PathBuf,
    dockerfile: String,
    files: Vec<String>,
    bytes: u64,
}

impl Context {
    /// Lists the files below a folder. `dockerfile` is relative to it; like Docker's own client,
    /// `<dockerfile>.dockerignore` goes before `.dockerignore`.
    pub fn read(root: &Path, dockerfile: &str) -> Result<Self, ImageError> {
        let failed = |error: &io::Error| {
            ImageError::source(format!("read the build's files in {}", root.display()), error.to_string())
        };
        if !root.join(dockerfile).is_file() {
            return Err(ImageError::source(
                format!("build from {}", root.display()),
                format!("there is no {dockerfile} in it"),
            ));
        }
        let own = format!("{dockerfile}.dockerignore");
        let mut ignore_name = None;
        let mut rules = String::new();
        for name in [own.as_str(), ".dockerignore"] {
            match fs::read_to_string(root.join(name)) {
                Ok(text) => {
                    rules = text;
                    ignore_name = Some(name);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        let ignore = Ignore::parse(ignore_name.unwrap_or(".dockerignore"), &rules)?;
        let mut context =
            Self { root: root.to_owned(), dockerfile: dockerfile.to_owned(), files: Vec::new(), bytes: 0 };
        context.walk("", &ignore).map_err(|error| failed(&error))?;
        context.files.sort();
        Ok(context)
    }

    fn walk(&mut self, folder: &str, ignore: &Ignore) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join(folder))? {
            let entry = entry?;
            // The API's archive has paths in UTF-8; a name that is not cannot be asked for.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let excluded = ignore.excludes(&path);
            if entry.file_type()?.is_dir() {
                if !excluded || !ignore.prunes() {
                    self.walk(&path, ignore)?;
                }
            } else if !excluded || path == self.dockerfile {
                // The builder needs its recipe even where a rule leaves it out.
                self.bytes += entry.metadata()?.len();
                self.files.push(path);
            }
        }
        Ok(())
    }

    /// The recipe, relative to the folder.
    #[must_use]
    pub fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// The files, relative to the folder, in order.
    #[must_use]
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Their size together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A digest of all the build gets, `sha256:…`: the names, contents and executable bits of the
    /// files, and `inputs`, such as the target and the build arguments. Times are left out: the same
    /// commit has the same digest on every machine.
    pub fn digest(&self, inputs: &[&str]) -> Result<String, ImageError> {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        for input in inputs {
            field(input.as_bytes());
        }
        field(self.dockerfile.as_bytes());
        for file in &self.files {
            let path = self.root.join(file);
            let content = read(&path)
                .map_err(|error| ImageError::source(format!("read {}", path.display()), error.to_string()))?;
            field(file.as_bytes());
            field(if content.executable { b"x" } else { b"-" });
            field(&content.bytes);
        }
        Ok(format!("sha256:{}", hex(&hash.finalize())))
    }

    /// The archive the engine gets, in an unnamed temporary file: however large the sources, the
    /// program stays small. Times are real ones: cargo trusts them, and the builder ignores them.
    pub(crate) fn archive(&self) -> Result<File, ImageError> {
        let failed = |error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::StorageFull => ImageErrorKind::DiskFull,
                _ => ImageErrorKind::Source,
            };
            ImageError::new(kind, "pack the build's files", error.to_string())
        };
        let file = tempfile::tempfile().map_err(failed)?;
        let mut archive = tar::Builder::new(io::BufWriter::new(file));
        archive.follow_symlinks(false);
        for path in &self.files {
            archive.append_path_with_name(self.root.join(path), path).map_err(failed)?;
        }
        let buffer = archive.into_inner().map_err(failed)?;
        let mut file = buffer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        Ok(file)
    }
}

struct Content {
    executable: bool,
    bytes: Vec<u8>,
}

fn read(path: &Path) -> io::Result<Content> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        let target = fs::read_link(path)?;
        return Ok(Content { executable: false, bytes: target.into_os_string().into_encoded_bytes() });
    }
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(Content { executable: executable(&metadata), bytes })
}

#[cfg(unix)]
fn executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn executable(_: &fs::Metadata) -> bool {
    false
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        folder
    }

    #[test]
    fn the_builds_own_recipe_is_always_in_it() {
        let folder = folder(&[
            ("docker/Dockerfile", "FROM scratch"),
            (".dockerignore", "*\n!src\n"),
            ("src/a.rs", "a"),
            ("other", "b"),
        ]);
        let context = Context::read(folder.path(), "docker/Dockerfile").expect("read");
        assert_eq!(context.files(), ["docker/Dockerfile", "src/a.rs"]);
        assert_eq!(context.bytes(), 13);
        let error = Context::read(folder.path(), "Dockerfile").expect_err("none there");
        assert_eq!(error.kind, ImageErrorKind::Source);
    }

    #[test]
    fn the_digest_is_of_contents_and_inputs_not_of_times() {
        let files = [("Dockerfile", "FROM scratch"), ("a", "1")];
        let (one, two) = (folder(&files), folder(&files));
        let digest = |folder: &tempfile::TempDir, inputs: &[&str]| {
            Context::read(folder.path(), "Dockerfile").expect("read").digest(inputs).expect("digest")
        };
        let first = digest(&one, &["admin"]);
        assert_eq!(first, digest(&two, &["admin"]));
        assert_ne!(first, digest(&one, &["prod"]));
        fs::write(two.path().join("a"), "2").expect("written");
        assert_ne!(first, digest(&two, &["admin"]));
    }

    #[test]
    fn the_archive_holds_the_files() {
        let folder = folder(&[("Dockerfile", "FROM scratch"), ("a/b", "1")]);
        let archive = Context::read(folder.path(), "Dockerfile").expect("read").archive().expect("packed");
        let mut archive = tar::Archive::new(archive);
        let names: Vec<_> = archive
            .entries()
            .expect("entries")
            .map(|entry| entry.expect("entry").path().expect("path").display().to_string())
            .collect();
        assert_eq!(names, ["Dockerfile", "a/b"]);
    }
}
