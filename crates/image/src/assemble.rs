//! Puts images together byte by byte: the same files and the same settings always give the same digest.
//!
//! Images of engines differ from engine to engine and from build to build: in times, the history of steps,
//! and compression. So a layer is written here, from a list of files in a fixed order, with the time 0; the
//! configuration and the manifest are written from the given settings, and hold nothing else. The form is
//! that of the OCI image specification 1.0 (`layer.md`, `config.md`, `manifest.md`), which Cloud Run accepts.
//!
//! To add a setting of images: its field in [`Settings`] and in `Configuration`, and `export.rs`, which reads it from
//! an image of an engine. Every image gets another digest then.

use std::collections::BTreeMap;
use std::io::{self, Read};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The media type of a manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The level of compression, 0 to 10: gzip's default.
const LEVEL: u8 = 6;

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, without a slash at its beginning or its end.
    pub path: String,
    /// Its permissions, such as `0o555`.
    pub mode: u32,
    /// The numeric ids of its user and group.
    pub owner: (u64, u64),
    /// Its kind.
    pub kind: EntryKind,
    /// Its extended attributes, in the order of their names.
    pub attributes: BTreeMap<String, Vec<u8>>,
}

/// The kind of an entry in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A file, with its content.
    File(Vec<u8>),
    /// A folder. Folders that lead to a file need not be given.
    Folder,
    /// A symbolic link to a path.
    Symlink(String),
    /// Another name of a file in the same layer.
    HardLink(String),
}

impl Entry {
    /// A file that belongs to root.
    #[must_use]
    pub fn file(path: impl Into<String>, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        Self::new(path.into(), mode, EntryKind::File(content.into()))
    }

    /// A folder that belongs to root.
    #[must_use]
    pub fn folder(path: impl Into<String>, mode: u32) -> Self {
        Self::new(path.into(), mode, EntryKind::Folder)
    }

    fn new(path: String, mode: u32, kind: EntryKind) -> Self {
        Self { path, mode, owner: (0, 0), kind, attributes: BTreeMap::new() }
    }

    /// The same entry, with another owner.
    #[must_use]
    pub fn owned_by(self, user: u64, group: u64) -> Self {
        Self { owner: (user, group), ..self }
    }
}

/// A layer, compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    blob: Blob,
    /// The digest of the archive before compression, which the configuration uses as the layer's name.
    diff_id: String,
}

impl Layer {
    /// Makes a layer of these entries, in whatever order they are given.
    ///
    /// # Errors
    ///
    /// Fails if a path cannot be written into an archive, or occurs twice.
    pub fn of(mut entries: Vec<Entry>) -> io::Result<Self> {
        // A hard link comes after the file that it is another name of.
        let rank = |entry: &Entry| matches!(entry.kind, EntryKind::HardLink(_));
        entries.sort_by(|one, other| (rank(one), &one.path).cmp(&(rank(other), &other.path)));
        let mut paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        paths.sort_unstable();
        if let Some(twice) = paths.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(io::Error::other(format!("{} is in the layer twice", twice.concat())));
        }
        let mut archive = tar::Builder::new(Vec::new());
        for entry in &entries {
            append(&mut archive, entry)?;
        }
        let archive = archive.into_inner()?;
        Ok(Self { diff_id: digest(&archive), blob: Blob::new(gzip(&archive)) })
    }

    /// Makes a layer from an archive that another program has written: the same files, in the form of
    /// [`Layer::of`].
    ///
    /// # Errors
    ///
    /// Fails if the archive cannot be read, or has an entry that a layer of an image cannot have.
    pub(crate) fn of_archive(archive: impl Read) -> io::Result<Self> {
        Self::of(entries(archive)?)
    }

    /// The bytes that are sent to a registry.
    #[must_use]
    pub fn blob(&self) -> &Blob {
        &self.blob
    }
}

/// Reads the entries of an archive; times, and names of users, are left out.
fn entries(archive: impl Read) -> io::Result<Vec<Entry>> {
    let mut archive = tar::Archive::new(archive);
    let mut found = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).map_err(|_| {
                io::Error::other(format!("the name {:?} is not UTF-8", String::from_utf8_lossy(bytes)))
            })
        };
        let name = text(&entry.path_bytes())?;
        let path = name.trim_start_matches("./").trim_matches('/').to_owned();
        if path.is_empty() || path == "." {
            continue;
        }
        let target = entry.link_name_bytes().map(|bytes| text(&bytes)).transpose()?.unwrap_or_default();
        let (kind, header) = (entry.header().entry_type(), entry.header().clone());
        let mut attributes = BTreeMap::new();
        for extension in entry.pax_extensions()?.into_iter().flatten() {
            let extension = extension?;
            if let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr.")) {
                attributes.insert(name.to_owned(), extension.value_bytes().to_vec());
            }
        }
        let kind = if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            EntryKind::File(content)
        } else if kind.is_dir() {
            EntryKind::Folder
        } else if kind.is_symlink() {
            EntryKind::Symlink(target)
        } else if kind.is_hard_link() {
            EntryKind::HardLink(target.trim_start_matches("./").trim_start_matches('/').to_owned())
        } else {
            return Err(io::Error::other(format!("{path} is neither a file, a folder nor a link")));
        };
        let owner = (header.uid()?, header.gid()?);
        found.push(Entry { path, mode: header.mode()? & 0o7777, owner, kind, attributes });
    }
    Ok(found)
}

fn append(archive: &mut tar::Builder<Vec<u8>>, entry: &Entry) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.owner.0);
    header.set_gid(entry.owner.1);
    header.set_mtime(0);
    header.set_size(0);
    if !entry.attributes.is_empty() {
        let named: Vec<(String, &[u8])> = entry
            .attributes
            .iter()
            .map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.as_slice()))
            .collect();
        archive.append_pax_extensions(named.iter().map(|(name, value)| (name.as_str(), *value)))?;
    }
    match &entry.kind {
        EntryKind::File(content) => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, &entry.path, content.as_slice())
        }
        EntryKind::Folder => {
            header.set_entry_type(tar::EntryType::Directory);
            archive.append_data(&mut header, format!("{}/", entry.path), io::empty())
        }
        EntryKind::Symlink(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            archive.append_link(&mut header, &entry.path, target)
        }
        EntryKind::HardLink(target) => {
            header.set_entry_type(tar::EntryType::Link);
            archive.append_link(&mut header, &entry.path, target)
        }
    }
}

/// Compresses as gzip (RFC 1952), without a time, name or system in the header. The compressor is written in
/// Rust and gives the same bytes on every processor; the successors of zlib do not.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    out.extend(miniz_oxide::deflate::compress_to_vec(bytes, LEVEL));
    out.extend(crc32fast::hash(bytes).to_le_bytes());
    // The format has the length modulo 2^32.
    let length = u32::try_from(bytes.len() as u64 & u64::from(u32::MAX)).unwrap_or_default();
    out.extend(length.to_le_bytes());
    out
}

/// Bytes that a registry keeps by their digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    bytes: Vec<u8>,
    digest: String,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        Self { digest: digest(&bytes), bytes }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The digest of the bytes, `sha256:…`.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn descriptor(&self, media_type: &'static str) -> Descriptor<'_> {
        Descriptor { media_type, digest: &self.digest, size: self.bytes.len() }
    }
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({}, {} bytes)", self.digest, self.bytes.len())
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// The settings with which an image is run (OCI image specification, `config.md`, "config").
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Settings {
    /// The user, and perhaps the group: `10001:10001`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The ports that it listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Value>>,
    /// Variables, `NAME=value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// The program and its first arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The arguments that are used where none are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Folders whose data are kept outside the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<BTreeMap<String, Value>>,
    /// The working folder.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// The labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The signal that stops it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
}

/// A whole image for [`crate::PLATFORM`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    layers: Vec<Layer>,
    configuration: Blob,
    manifest: Blob,
}

#[derive(Serialize)]
struct Configuration<'a> {
    created: Timestamp,
    architecture: &'static str,
    os: &'static str,
    config: &'a Settings,
    rootfs: RootFs<'a>,
    history: Vec<Step>,
}

#[derive(Serialize)]
struct RootFs<'a> {
    r#type: &'static str,
    diff_ids: Vec<&'a str>,
}

#[derive(Serialize)]
struct Step {
    created: Timestamp,
    created_by: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor<'a>,
    layers: Vec<Descriptor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'static str,
    digest: &'a str,
    size: usize,
}

impl Image {
    /// Puts an image together. `created` is its time of creation: a time that belongs to its contents, such
    /// as the commit's, and not the present time.
    ///
    /// # Errors
    ///
    /// There are no known causes: writing JSON into memory does not fail.
    pub fn assemble(settings: &Settings, created: Timestamp, layers: Vec<Layer>) -> io::Result<Self> {
        let (os, architecture) = crate::PLATFORM.split_once('/').unwrap_or(("linux", "amd64"));
        let configuration = Blob::new(serde_json::to_vec(&Configuration {
            created,
            architecture,
            os,
            config: settings,
            rootfs: RootFs {
                r#type: "layers",
                diff_ids: layers.iter().map(|layer| layer.diff_id.as_str()).collect(),
            },
            history: layers.iter().map(|_| Step { created, created_by: "quill-admin build" }).collect(),
        })?);
        let manifest = Blob::new(serde_json::to_vec(&Manifest {
            schema_version: 2,
            media_type: MANIFEST,
            config: configuration.descriptor(CONFIGURATION),
            layers: layers.iter().map(|layer| layer.blob.descriptor(LAYER)).collect(),
        })?);
        Ok(Self { layers, configuration, manifest })
    }

    /// The digest of its manifest, `sha256:…`, which a job is pinned to.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.manifest.digest()
    }

    /// Its layers, the lowest first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Its configuration.
    #[must_use]
    pub fn configuration(&self) -> &Blob {
        &self.configuration
    }

    /// Its manifest.
    #[must_use]
    pub fn manifest(&self) -> &Blob {
        &self.manifest
    }

    /// The blobs that a registry has to have before it accepts the manifest.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.layers.iter().map(Layer::blob).chain([&self.configuration])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time() -> Timestamp {
        "2026-11-29T12:00:00Z".parse().expect("a time")
    }

    fn entries_of(layer: &Layer) -> Vec<Entry> {
        entries(flate2::read::GzDecoder::new(layer.blob().bytes())).expect("an archive")
    }

    fn sample() -> Vec<Entry> {
        vec![
            Entry::file("program", 0o555, vec![7; 70_000]),
            Entry::folder("etc", 0o755),
            Entry::file(format!("etc/{}", "long/".repeat(60) + "name"), 0o644, "text").owned_by(10001, 20002),
            Entry {
                attributes: [("security.capability".to_owned(), vec![0, 1, 0xff])].into(),
                ..Entry::file("able", 0o4755, "x")
            },
            Entry { kind: EntryKind::HardLink("program".to_owned()), ..Entry::folder("a-link", 0o555) },
            Entry { kind: EntryKind::Symlink("/program".to_owned()), ..Entry::folder("soft", 0o777) },
        ]
    }

    #[test]
    fn the_same_files_are_the_same_bytes_in_whatever_order_they_come() {
        let layer = Layer::of(sample()).expect("a layer");
        let mut other = sample();
        other.reverse();
        assert_eq!(Layer::of(other).expect("a layer"), layer);
        let read = entries_of(&layer);
        let mut expected = sample();
        expected.sort_by(|one, other| one.path.cmp(&other.path));
        let mut sorted = read.clone();
        sorted.sort_by(|one, other| one.path.cmp(&other.path));
        assert_eq!(sorted, expected, "nothing is lost");
        assert_eq!(read.last().expect("six").path, "a-link", "after what it is another name of");
        // Writing it a second time changes nothing.
        let again = Layer::of_archive(flate2::read::GzDecoder::new(layer.blob().bytes()));
        assert_eq!(again.expect("a layer"), layer);
        assert!(Layer::of([sample(), sample()].concat()).is_err());
    }

    #[test]
    fn times_and_names_of_an_archive_make_no_difference() {
        let archive = |time: u64, user: &str| {
            let mut archive = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            header.set_mode(0o100_644);
            header.set_mtime(time);
            header.set_uid(0);
            header.set_gid(0);
            header.set_username(user).expect("short");
            archive.append_data(&mut header, "./a", [b'a'].as_slice()).expect("written");
            Layer::of_archive(archive.into_inner().expect("whole").as_slice()).expect("a layer")
        };
        assert_eq!(archive(1_790_000_000, "root"), archive(0, ""));
        assert_eq!(archive(5, "x"), Layer::of(vec![Entry::file("a", 0o644, "a")]).expect("a layer"));
    }

    /// The digest is pinned: another compressor, or another order of the keys, would change the digest of an
    /// unchanged image.
    #[test]
    fn the_digest_of_an_image_is_what_it_was() {
        let settings = Settings {
            user: "10001:10001".to_owned(),
            entrypoint: Some(vec!["/program".to_owned()]),
            labels: Some([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())].into()),
            ..Settings::default()
        };
        let layers = vec![Layer::of(sample()).expect("a layer")];
        let image = Image::assemble(&settings, time(), layers.clone()).expect("an image");
        assert_eq!(image, Image::assemble(&settings, time(), layers.clone()).expect("an image"));
        let configuration: Value = serde_json::from_slice(image.configuration().bytes()).expect("JSON");
        assert_eq!(configuration["created"], "2026-11-29T12:00:00Z");
        assert_eq!(configuration["config"]["Labels"]["a"], "1");
        assert_eq!(configuration["rootfs"]["diff_ids"][0], layers[0].diff_id);
        let manifest: Value = serde_json::from_slice(image.manifest().bytes()).expect("JSON");
        assert_eq!(manifest["config"]["digest"], image.configuration().digest());
        assert_eq!(manifest["layers"][0]["digest"], layers[0].blob().digest());
        assert_eq!(manifest["layers"][0]["size"], layers[0].blob().bytes().len());
        assert_eq!(image.digest(), digest(image.manifest().bytes()));
        assert_eq!(
            (layers[0].diff_id.as_str(), image.digest()),
            (
                "sha256:466415e13436857fa2d5bf7d63b9a2e1ad34b4dd34c73edf305190959d0df92f",
                "sha256:4514ccdd3e43b0d16f15d34e58c37e51f623e4ba848f45016990e83af9f5fbdc"
            )
        );
        let later = time() + jiff::Span::new().seconds(1);
        assert_ne!(Image::assemble(&settings, later, layers).expect("an image").digest(), image.digest());
    }
}
