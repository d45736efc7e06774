//! Exports an image that an engine has built, and puts it together again.
//!
//! The engine gives an image in the form of `docker save`: `manifest.json` names the configuration and the
//! archives of the layers. Engine 20.10 gives layers uncompressed, newer ones with containerd's image store
//! may give them compressed.
//!
//! To keep another setting of an image: `Configuration` here, and `Settings` in `assemble.rs`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};

use bollard::Docker;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::assemble::{Image, Layer, Settings};
use crate::error::{ImageError, ImageErrorKind};

const DOING: &str = "take the image out of the Docker engine";
/// Largest size of the two texts of an image, in bytes.
const TEXT_LIMIT: u64 = 4 * 1024 * 1024;

/// One image of `manifest.json`.
#[derive(Deserialize)]
struct Saved {
    #[serde(rename = "Config")]
    configuration: String,
    #[serde(rename = "Layers")]
    layers: Vec<String>,
}

/// The fields of an image's configuration that are read.
#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    config: Option<Settings>,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// Exports an image from the engine, and puts it together so that it is always the same; `created` is written
/// as its time of creation.
pub(crate) async fn assembled(docker: &Docker, image: &str, created: Timestamp) -> Result<Image, ImageError> {
    let local = |error: io::Error| ImageError::local(DOING, &error);
    let mut file = tempfile::tempfile().map_err(local)?;
    let mut parts = Box::pin(docker.export_image(image));
    while let Some(part) =
        parts.try_next().await.map_err(|error| ImageError::engine(ImageErrorKind::Engine, DOING, &error))?
    {
        file.write_all(&part).map_err(local)?;
    }
    // Compressing takes a while, and must not block other work.
    let work = tokio::task::spawn_blocking(move || Export::read(file)?.assemble(created));
    let made =
        work.await.map_err(|error| ImageError::new(ImageErrorKind::Engine, DOING, error.to_string()))?;
    made.map_err(|error| ImageError::local(DOING, &error))
}

/// The place of an entry in the archive.
#[derive(Clone)]
enum Place {
    At {
        start: u64,
        size: u64,
    },
    /// The entry is stored under another name: equal layers are kept once.
    Link(String),
}

/// The archive that an engine has given.
struct Export {
    file: File,
    places: HashMap<String, Place>,
}

impl Export {
    fn read(mut file: File) -> io::Result<Self> {
        file.rewind()?;
        let mut archive = tar::Archive::new(BufReader::new(&file));
        let mut places = HashMap::new();
        for entry in archive.entries()? {
            let entry = entry?;
            let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            let place = match entry.link_name()? {
                None => Place::At { start: entry.raw_file_position(), size: entry.size() },
                Some(target) => {
                    let target = target.to_string_lossy().into_owned();
                    let symbolic = entry.header().entry_type().is_symlink();
                    Place::Link(if symbolic { beside(&path, &target) } else { target })
                }
            };
            places.insert(path, place);
        }
        Ok(Self { file, places })
    }

    /// A reader of an entry of the archive.
    fn open(&self, name: &str) -> io::Result<io::Take<BufReader<File>>> {
        let missing = || io::Error::other(format!("the engine's archive has no {name}"));
        let mut place = self.places.get(name).ok_or_else(missing)?;
        if let Place::Link(target) = place {
            place = self.places.get(target).ok_or_else(missing)?;
        }
        let Place::At { start, size } = place else { return Err(missing()) };
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(*start))?;
        Ok(BufReader::new(file).take(*size))
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> io::Result<T> {
        let mut text = Vec::new();
        self.open(name)?.take(TEXT_LIMIT).read_to_end(&mut text)?;
        serde_json::from_slice(&text).map_err(|error| {
            io::Error::other(format!("{name} of the engine's archive cannot be read: {error}"))
        })
    }

    fn assemble(&self, created: Timestamp) -> io::Result<Image> {
        let saved: Vec<Saved> = self.json("manifest.json")?;
        let mut fitting = None;
        for one in saved {
            let configuration: Configuration = self.json(&one.configuration)?;
            if format!("{}/{}", configuration.os, configuration.architecture) == crate::PLATFORM {
                fitting = Some((one, configuration));
                break;
            }
        }
        let (saved, configuration) = fitting.ok_or_else(|| {
            io::Error::other(format!("the engine's archive has no image for {}", crate::PLATFORM))
        })?;
        let diff_ids = configuration.rootfs.diff_ids;
        if saved.layers.len() != diff_ids.len() {
            return Err(io::Error::other("the engine's archive has not all layers of the image"));
        }
        let mut layers = Vec::new();
        for (name, diff_id) in saved.layers.iter().zip(&diff_ids) {
            layers.push(self.layer(name, diff_id)?);
        }
        let mut settings = configuration.config.unwrap_or_default();
        // Builders write the same setting in two ways.
        if settings.working_dir == "/" {
            settings.working_dir.clear();
        }
        for list in [&mut settings.env, &mut settings.entrypoint, &mut settings.cmd] {
            *list = list.take().filter(|list| !list.is_empty());
        }
        Image::assemble(&settings, created, layers)
    }

    /// A layer, whose content is checked against the configuration.
    fn layer(&self, name: &str, diff_id: &str) -> io::Result<Layer> {
        let mut start = [0; 4];
        let read = self.open(name)?.read(&mut start)?;
        let packed = self.open(name)?;
        let content: Box<dyn Read> = match start.get(..read) {
            Some([0x1f, 0x8b, ..]) => Box::new(flate2::read::MultiGzDecoder::new(packed)),
            Some([0x28, 0xb5, 0x2f, 0xfd]) => {
                return Err(io::Error::other(format!(
                    "{name} is compressed with zstd, which is not supported"
                )));
            }
            _ => Box::new(packed),
        };
        let mut hashed = Hashed { content, hash: Sha256::new() };
        let layer = Layer::of_archive(&mut hashed)?;
        // An archive may have more bytes after its last entry.
        io::copy(&mut hashed, &mut io::sink())?;
        let found = format!("sha256:{}", hex::encode(hashed.hash.finalize()));
        if found != diff_id {
            return Err(io::Error::other(format!("{name} is {found}, and not {diff_id}")));
        }
        Ok(layer)
    }
}

/// The path that a link leads to, from the path of the link.
fn beside(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A reader that hashes the bytes that are read through it.
struct Hashed<R> {
    content: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::{Entry, digest};

    fn archive(files: &[(&str, &[u8])], links: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            archive.append_data(&mut header, path, *bytes).expect("written");
        }
        for (path, target) in links {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            archive.append_link(&mut header, path, target).expect("written");
        }
        archive.into_inner().expect("whole")
    }

    fn assemble(bytes: &[u8]) -> io::Result<Image> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        Export::read(file)?.assemble("2026-11-29T12:00:00Z".parse().expect("a time"))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).expect("written");
        packed.finish().expect("whole")
    }

    #[test]
    fn the_forms_of_different_engines_are_one_image() {
        let layer = archive(&[("a", b"a")], &[]);
        let configuration = |more: &str| {
            format!(
                "{{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{{\"User\":\"1\"{more}}},\
                 \"rootfs\":{{\"diff_ids\":[\"{0}\",\"{0}\"]}}}}",
                digest(&layer)
            )
        };
        let old = archive(
            &[
                ("1/layer.tar", &layer),
                ("c.json", configuration(",\"Image\":\"sha256:0\",\"Hostname\":\"x\"").as_bytes()),
                ("manifest.json", b"[{\"Config\":\"c.json\",\"Layers\":[\"1/layer.tar\",\"2/layer.tar\"]}]"),
            ],
            &[("2/layer.tar", "../1/layer.tar")],
        );
        let other = b"{\"os\":\"linux\",\"architecture\":\"arm64\",\"rootfs\":{\"diff_ids\":[]}}";
        let new = archive(
            &[
                ("blobs/sha256/c", configuration(",\"WorkingDir\":\"/\",\"Cmd\":[]").as_bytes()),
                ("blobs/sha256/o", other),
                ("blobs/sha256/l", &gzip(&layer)),
                (
                    "manifest.json",
                    b"[{\"Config\":\"blobs/sha256/o\",\"Layers\":[]},{\"Config\":\"blobs/sha256/c\",\
                      \"Layers\":[\"blobs/sha256/l\",\"blobs/sha256/l\"]}]",
                ),
            ],
            &[],
        );
        let image = assemble(&old).expect("an image");
        assert_eq!(image, assemble(&new).expect("an image"));
        assert_eq!(image.layers()[0], Layer::of(vec![Entry::file("a", 0o644, "a")]).expect("a layer"));
        assert_eq!(image.layers().len(), 2);
    }

    #[test]
    fn an_archive_that_is_not_whole_is_no_image() {
        let layer = archive(&[("a", b"a")], &[]);
        let text = |digest: &str| {
            format!(
                "{{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{{\"diff_ids\":[\"{digest}\"]}}}}"
            )
        };
        let manifest = b"[{\"Config\":\"c\",\"Layers\":[\"l\"]}]".as_slice();
        let right = text(&digest(&layer));
        for (files, told) in [
            (vec![("c", right.as_bytes()), ("manifest.json", manifest)], "has no l"),
            (vec![("l", layer.as_slice()), ("c", b"{"), ("manifest.json", manifest)], "cannot be read"),
            (
                vec![
                    ("l", layer.as_slice()),
                    ("c", text("sha256:0").as_bytes()),
                    ("manifest.json", manifest),
                ],
                "and not sha256:0",
            ),
            (
                vec![
                    ("l", [0x28, 0xb5, 0x2f, 0xfd].as_slice()),
                    ("c", right.as_bytes()),
                    ("manifest.json", manifest),
                ],
                "zstd",
            ),
            (vec![("l", layer.as_slice())], "manifest.json"),
        ] {
            let error = assemble(&archive(&files, &[])).expect_err("refused");
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}
