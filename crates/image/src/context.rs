//! The build context: the files of a folder, without those that `.dockerignore` excludes (`ignore.rs`).
//!
//! [`Context::read`] walks through the folder once and packs the files into an unnamed archive, from which the digest
//! is computed and which the engine is sent: a folder that changes meanwhile cannot make the two differ.
//!
//! To change which files are part of a build: `Walk`, and `ignore.rs` for the rules. To change what the digest
//! covers: [`Context::digest`]; the tags of images change with it.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Seek as _};
use std::path::{Path, PathBuf};

use quill_admin_files::{Unreadable, open_regular, read_text};
use sha2::{Digest as _, Sha256};

use crate::error::ImageError;
use crate::ignore::Ignore;

/// Largest size of a Dockerfile or a `.dockerignore` that is read, in bytes.
pub(crate) const TEXT_LIMIT: u64 = 1024 * 1024;

/// The files of a build, in a fixed order, as they were when they were read: the digest is computed from
/// exactly the bytes that the engine is sent, even if the folder changes in the meantime.
#[derive(Debug)]
pub struct Context {
    dockerfile: String,
    recipe: String,
    files: Vec<String>,
    skipped: Vec<String>,
    bytes: u64,
    /// An unnamed temporary file, so that large sources take no memory.
    archive: File,
}

impl Context {
    /// Reads the files below a folder. `dockerfile` is relative to it; as with Docker's own client,
    /// `<dockerfile>.dockerignore` takes precedence over `.dockerignore`.
    ///
    /// Files that vanish while the folder is read are left out. Entries that are neither a file, a folder nor
    /// a symbolic link are left out as well, and are listed by [`Context::skipped`].
    ///
    /// # Errors
    ///
    /// Fails if there is no Dockerfile of that name, or if a file of the folder cannot be read or packed.
    pub fn read(root: &Path, dockerfile: &str) -> Result<Self, ImageError> {
        let failed = |path: &str, error: &dyn std::fmt::Display| {
            let path = root.join(path);
            ImageError::source(format!("read the build's files in {}", path.display()), error.to_string())
        };
        if !root.join(dockerfile).is_file() {
            return Err(ImageError::source(
                format!("build from {}", root.display()),
                format!("there is no {dockerfile} in it"),
            ));
        }
        // Symbolic links are followed, as Docker does.
        let recipe =
            read_text(&root.join(dockerfile), TEXT_LIMIT).map_err(|error| failed(dockerfile, &error))?;
        let own = format!("{dockerfile}.dockerignore");
        let mut ignore_name = None;
        let mut rules = String::new();
        for name in [own.as_str(), ".dockerignore"] {
            match read_text(&root.join(name), TEXT_LIMIT) {
                Ok(text) => {
                    rules = text;
                    ignore_name = Some(name);
                    break;
                }
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(failed(name, &error)),
            }
        }
        let ignore = Ignore::parse(ignore_name.unwrap_or(".dockerignore"), &rules)?;
        let mut walk =
            Walk { root, dockerfile, ignore: &ignore, files: Vec::new(), skipped: Vec::new(), entered: 0 };
        walk.folder("").map_err(|(path, error)| failed(&path, &error))?;
        let Walk { mut files, mut skipped, .. } = walk;
        files.sort();
        skipped.sort();
        let (archive, files, bytes) = pack(root, files)?;
        Ok(Self { dockerfile: dockerfile.to_owned(), recipe, files, skipped, bytes, archive })
    }

    /// The Dockerfile's path, relative to the folder.
    #[must_use]
    pub fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// The content of the Dockerfile.
    #[must_use]
    pub fn recipe(&self) -> &str {
        &self.recipe
    }

    /// The paths of the files, relative to the folder, in order.
    #[must_use]
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Entries that no rule excludes and that cannot be part of a build, with the reason: `run/socket (a
    /// socket)`.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// The total size of the files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A digest of all input of the build, `sha256:…`: the names, contents and executable bits of the files,
    /// and `inputs`, such as the target and the build arguments. Times are left out: the same commit has the
    /// same digest on every machine.
    ///
    /// # Errors
    ///
    /// Fails if the packed files cannot be read.
    pub fn digest(&self, inputs: &[&str]) -> Result<String, ImageError> {
        let failed = |error: io::Error| ImageError::source("read the packed files", error.to_string());
        let mut hash = Sha256::new();
        for input in inputs {
            field(&mut hash, input.as_bytes());
        }
        field(&mut hash, self.dockerfile.as_bytes());
        let mut archive = &self.archive;
        archive.rewind().map_err(failed)?;
        let mut archive = tar::Archive::new(io::BufReader::new(archive));
        let mut buffer = vec![0; 64 * 1024];
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            field(&mut hash, &entry.path_bytes());
            if let Some(target) = entry.link_name_bytes() {
                field(&mut hash, b"-");
                field(&mut hash, &target);
                continue;
            }
            let executable = entry.header().mode().map_err(failed)? & 0o100 != 0;
            field(&mut hash, if executable { b"x" } else { b"-" });
            hash.update(entry.size().to_be_bytes());
            loop {
                match entry.read(&mut buffer).map_err(failed)? {
                    0 => break,
                    count => hash.update(buffer.get(..count).unwrap_or_default()),
                }
            }
        }
        Ok(format!("sha256:{}", hex::encode(hash.finalize())))
    }

    /// The content of one of the files, as the build gets it; `None` if there is no file of that name, or it
    /// is a symbolic link.
    ///
    /// # Errors
    ///
    /// Fails if the file is larger than `limit` bytes, or if the packed files cannot be read.
    pub fn content(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ImageError> {
        let failed = |error: io::Error| ImageError::source("read the packed files", error.to_string());
        let mut archive = tar::Archive::new(io::BufReader::new(self.archive()?));
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            if *entry.path_bytes() != *name.as_bytes() {
                continue;
            }
            if !entry.header().entry_type().is_file() {
                return Ok(None);
            }
            if entry.size() > limit {
                let why = format!("it has {} bytes; at most {limit} are read", entry.size());
                return Err(ImageError::source(format!("read {name}"), why));
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(failed)?;
            return Ok(Some(content));
        }
        Ok(None)
    }

    /// The archive for the engine, at its beginning. It has the real times of files: cargo relies on them,
    /// and the builder ignores them.
    pub(crate) fn archive(&self) -> Result<File, ImageError> {
        let failed = |error: io::Error| ImageError::source("read the packed files", error.to_string());
        let mut archive = self.archive.try_clone().map_err(failed)?;
        archive.rewind().map_err(failed)?;
        Ok(archive)
    }
}

/// Adds a field to a digest: its length goes before it, so that different lists of fields never have the same
/// bytes.
fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

/// A walk through a folder.
struct Walk<'a> {
    root: &'a Path,
    dockerfile: &'a str,
    ignore: &'a Ignore,
    files: Vec<String>,
    skipped: Vec<String>,
    /// Number of folders that were read.
    entered: usize,
}

impl Walk<'_> {
    /// Lists the entries below a folder; an error comes with its path.
    fn folder(&mut self, folder: &str) -> Result<(), (String, io::Error)> {
        let failed = |error| (folder.to_owned(), error);
        self.entered += 1;
        let entries = match fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            // The folder was removed, or became a file, since its parent was read.
            Err(error) if !folder.is_empty() && vanished(&error) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if vanished(&error) => continue,
                Err(error) => return Err(failed(error)),
            };
            let name = entry.file_name();
            let below = |name: &str| {
                if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
            };
            let Some(path) = name.to_str().map(below) else {
                // The API's archive has paths in UTF-8; a file with another name cannot be asked for.
                let path = below(&name.to_string_lossy());
                if !self.ignore.excludes(&path) {
                    self.skipped.push(format!("{path} (its name is not UTF-8)"));
                }
                continue;
            };
            let excluded = self.ignore.excludes(&path);
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(error) if vanished(&error) => continue,
                Err(error) => return Err((path, error)),
            };
            if kind.is_dir() {
                let has_recipe =
                    self.dockerfile.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'));
                if !excluded || has_recipe || self.ignore.keeps_below(&path) {
                    self.folder(&path)?;
                }
            } else if excluded && path != self.dockerfile {
                // The builder needs its Dockerfile even if a rule excludes it.
            } else if kind.is_file() || kind.is_symlink() {
                self.files.push(path);
            } else {
                self.skipped.push(format!("{path} ({})", special(kind)));
            }
        }
        Ok(())
    }
}

/// Whether the error means that a path is no longer what it was when its folder was listed.
fn vanished(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The word for an entry that is neither a file, a folder nor a symbolic link.
#[cfg(unix)]
fn special(kind: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(windows)]
fn special(_: fs::FileType) -> &'static str {
    "not a regular file"
}

/// Packs files into an archive; returns it with the files that still existed, and their size. Each file is
/// read once and never beyond the size that it had when it was opened, and its header has the size that was
/// read: a file that grows or shrinks meanwhile spoils neither the archive nor the files after it.
fn pack(root: &Path, files: Vec<String>) -> Result<(File, Vec<String>, u64), ImageError> {
    const DOING: &str = "pack the build's files";
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull => ImageError::local(DOING, &error),
        _ => ImageError::source(DOING, error.to_string()),
    };
    let mut archive = tar::Builder::new(BufWriter::new(tempfile::tempfile().map_err(failed)?));
    let mut packed = Vec::with_capacity(files.len());
    let mut bytes = 0;
    for name in files {
        let path = root.join(&name);
        let content = match open(&path) {
            Ok(content) => content,
            Err(error) if vanished(&error) => continue,
            Err(error) => {
                return Err(ImageError::source(format!("read {}", path.display()), error.to_string()));
            }
        };
        let mut header = tar::Header::new_gnu();
        match content {
            Content::Link(metadata, target) => {
                header.set_metadata(&metadata);
                header.set_size(0);
                archive.append_link(&mut header, &name, target).map_err(failed)?;
            }
            Content::File(metadata, file) => {
                header.set_metadata(&metadata);
                let mut writer = archive.append_writer(&mut header, &name).map_err(failed)?;
                bytes += io::copy(&mut file.take(metadata.len()), &mut writer).map_err(failed)?;
                writer.finish().map_err(failed)?;
            }
            // The file was replaced since it was listed.
            Content::Other => continue,
        }
        packed.push(name);
    }
    let buffer = archive.into_inner().map_err(failed)?;
    let file = buffer.into_inner().map_err(|error| failed(error.into_error()))?;
    Ok((file, packed, bytes))
}

enum Content {
    File(Metadata, File),
    Link(Metadata, PathBuf),
    Other,
}

fn open(path: &Path) -> io::Result<Content> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(Content::Link(metadata, fs::read_link(path)?));
    }
    if !metadata.is_file() {
        return Ok(Content::Other);
    }
    match open_regular(path) {
        Ok((file, metadata)) => Ok(Content::File(metadata, file)),
        Err(Unreadable::Io(error)) => Err(error),
        // Something else has taken the file's place meanwhile.
        Err(Unreadable::NotRegular(_) | Unreadable::TooLarge { .. }) => Ok(Content::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ImageErrorKind;

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
    fn a_file_is_read_as_the_build_gets_it() {
        let long = "a".repeat(200);
        let folder = folder(&[("docker/Dockerfile", "FROM scratch"), (&format!("x/{long}"), "first")]);
        let context = Context::read(folder.path(), "docker/Dockerfile").expect("read");
        fs::write(folder.path().join(format!("x/{long}")), "second").expect("written");
        let read = |name: &str, limit| context.content(name, limit);
        assert_eq!(read(&format!("x/{long}"), 5).expect("read").as_deref(), Some(&b"first"[..]));
        assert_eq!(read("docker/Dockerfile", 100).expect("read").as_deref(), Some(&b"FROM scratch"[..]));
        assert_eq!(read("x", 100).expect("read"), None);
        let large = read(&format!("x/{long}"), 4).expect_err("too large").to_string();
        assert!(large.ends_with("it has 5 bytes; at most 4 are read"), "{large}");
        // It can be read again, and the digest is unchanged.
        assert_eq!(context.digest(&[]).expect("a digest"), context.digest(&[]).expect("a digest"));
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
    fn a_file_that_is_changed_after_reading_is_built_as_it_was() {
        let folder = folder(&[("Dockerfile", "FROM scratch"), ("a", "1")]);
        let context = Context::read(folder.path(), "Dockerfile").expect("read");
        let digest = context.digest(&[]).expect("digest");
        fs::write(folder.path().join("a"), "22").expect("written");
        fs::remove_file(folder.path().join("Dockerfile")).expect("removed");
        assert_eq!(context.digest(&[]).expect("digest"), digest);
        let mut archive = tar::Archive::new(context.archive().expect("packed"));
        let mut entry = archive.entries().expect("entries").nth(1).expect("two").expect("whole");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("read");
        assert_eq!(text, "1");
    }

    #[test]
    fn ignored_folders_are_not_entered() {
        let folder = folder(&[
            ("Dockerfile", "FROM scratch"),
            (".dockerignore", "*\n!crates/*/src\n!docs\ndocs/big\n"),
            ("crates/a/src/lib.rs", "a"),
            ("crates/a/target/deep/er/x", "x"),
            ("target/a/b/c", "x"),
            ("docs/big/deep/x", "x"),
            ("docs/y", "y"),
        ]);
        let rules = fs::read_to_string(folder.path().join(".dockerignore")).expect("there");
        let ignore = Ignore::parse(".dockerignore", &rules).expect("valid");
        let mut walk = Walk {
            root: folder.path(),
            dockerfile: "Dockerfile",
            ignore: &ignore,
            files: Vec::new(),
            skipped: Vec::new(),
            entered: 0,
        };
        walk.folder("").expect("walked");
        walk.files.sort();
        assert_eq!(walk.files, ["Dockerfile", "crates/a/src/lib.rs", "docs/y"]);
        // The root, crates, crates/a, crates/a/src, docs.
        assert_eq!(walk.entered, 5);
    }

    #[test]
    fn the_recipe_in_an_ignored_folder_is_found() {
        let folder =
            folder(&[("docker/Dockerfile", "FROM scratch"), (".dockerignore", "docker\n"), ("a", "")]);
        let context = Context::read(folder.path(), "docker/Dockerfile").expect("read");
        assert_eq!(context.files(), [".dockerignore", "a", "docker/Dockerfile"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_a_file_is_left_out_and_named() {
        let folder =
            folder(&[("Dockerfile", "FROM scratch"), ("ignored/x", "x"), (".dockerignore", "ignored")]);
        let path = folder.path();
        let pipe = |name: &str| {
            let made = std::process::Command::new("mkfifo").arg(path.join(name)).status().expect("started");
            assert!(made.success());
        };
        pipe("pipe");
        pipe("ignored/pipe");
        let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).expect("bound");
        std::os::unix::fs::symlink("/dev/zero", path.join("link")).expect("made");
        let context = Context::read(path, "Dockerfile").expect("read");
        assert_eq!(context.files(), [".dockerignore", "Dockerfile", "link"]);
        assert_eq!(context.skipped(), ["pipe (a named pipe)", "socket (a socket)"]);
        let _ = context.digest(&[]).expect("a digest");

        // The files with the rules do not hold it up either.
        fs::remove_file(path.join(".dockerignore")).expect("removed");
        pipe(".dockerignore");
        let error = Context::read(path, "Dockerfile").expect_err("refused");
        assert!(
            error
                .to_string()
                .ends_with(".dockerignore: it is a named pipe (FIFO); only a regular file is read"),
            "{error}"
        );
        fs::remove_file(path.join(".dockerignore")).expect("removed");
        std::os::unix::fs::symlink("/dev/zero", path.join(".dockerignore")).expect("made");
        let error = Context::read(path, "Dockerfile").expect_err("refused");
        assert!(
            error.to_string().ends_with(".dockerignore: it is a device; only a regular file is read"),
            "{error}"
        );
        fs::remove_file(path.join(".dockerignore")).expect("removed");
        fs::write(path.join(".dockerignore"), vec![b'a'; 1024 * 1024 + 1]).expect("written");
        let error = Context::read(path, "Dockerfile").expect_err("refused");
        assert!(error.to_string().ends_with("it is larger than 1 MiB, the most that is read"), "{error}");
    }

    /// Repeats a piece of work until it is dropped.
    struct Meanwhile {
        stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
        rounds: std::sync::Arc<std::sync::atomic::AtomicU64>,
        thread: Option<std::thread::JoinHandle<()>>,
    }

    impl Meanwhile {
        fn start(mut work: impl FnMut(u64) + Send + 'static) -> Self {
            let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            let rounds = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
            let (stopped, done) = (std::sync::Arc::clone(&stop), std::sync::Arc::clone(&rounds));
            let thread = std::thread::spawn(move || {
                while !stopped.load(std::sync::atomic::Ordering::SeqCst) {
                    work(done.load(std::sync::atomic::Ordering::SeqCst));
                    done.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
            Self { stop, rounds, thread: Some(thread) }
        }

        fn rounds(&self) -> u64 {
            self.rounds.load(std::sync::atomic::Ordering::SeqCst)
        }

        fn end(mut self) {
            self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
            self.thread.take().expect("not yet ended").join().expect("it ends");
        }
    }

    #[test]
    #[cfg_attr(
        windows,
        ignore = "a file that is being removed cannot be opened there, and the build says so"
    )]
    fn a_folder_in_which_something_writes_can_be_read() {
        let folder = folder(&[
            ("Dockerfile", "FROM scratch"),
            (".dockerignore", "target\n"),
            ("src/a", "a"),
            ("target/x", "x"),
        ]);
        let root = folder.path().to_owned();
        let writer = Meanwhile::start(move |round| {
            for parent in ["target", "src"] {
                let made = root.join(parent).join(format!("made-{}", round % 7));
                fs::create_dir_all(&made).expect("made");
                for number in 0..20 {
                    fs::write(made.join(number.to_string()), "some text").expect("written");
                }
                fs::remove_dir_all(&made).expect("removed");
            }
            // One file only grows, and one shrinks and grows.
            let sizes = [0, 100_000, 3, 70_000];
            let size = sizes.get(usize::try_from(round % 4).expect("small")).copied().unwrap_or(0);
            fs::write(root.join("src/b"), vec![b'b'; size]).expect("written");
        });
        let mut reads = 0;
        while reads < 300 || writer.rounds() <= 20 {
            reads += 1;
            let context = Context::read(folder.path(), "Dockerfile").expect("read");
            assert!(!context.files().iter().any(|file| file.starts_with("target")), "{:?}", context.files());
            let _ = context.digest(&[]).expect("a digest");
            // Every entry is at the place that the header before it says, to the end.
            let mut archive = tar::Archive::new(context.archive().expect("packed"));
            let mut names = Vec::new();
            for entry in archive.entries().expect("entries") {
                let mut entry = entry.expect("whole");
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).expect("read");
                assert_eq!(bytes.len() as u64, entry.size());
                let grows = entry.path().expect("a path") == Path::new("src/b");
                assert!(!grows || bytes.iter().all(|byte| *byte == b'b'), "nothing else is in it");
                names.push(entry.path().expect("a path").display().to_string());
            }
            assert_eq!(names, context.files());
            for file in [".dockerignore", "Dockerfile", "src/a"] {
                assert!(names.iter().any(|name| name == file), "{file} {names:?}");
            }
        }
        writer.end();
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
