//! The executor that this program carries, so that an image can be assembled without compiling one. A
//! released quill-admin carries one; other builds do when they are told to: docs/decisions/0041.

use std::path::PathBuf;
use std::sync::OnceLock;

use jiff::Timestamp;
use quill_admin_image::Revision;
use sha2::{Digest as _, Sha256};

/// The executor that [`provide`] was given.
static CARRIED: OnceLock<Executor> = OnceLock::new();

/// An executor for linux/amd64, packed.
#[derive(Debug, Clone, Copy)]
pub struct Executor {
    packed: &'static [u8],
    /// The SHA-256 of the program, in hexadecimal digits.
    pub sha256: &'static str,
    size: usize,
    /// The commit, the seconds since 1970 and `dirty` or `clean`, of the sources of both programs.
    of: &'static str,
}

/// The executor that the calling program was built with, as an `Option`: its build script packs it
/// (`carry.rs`).
#[macro_export]
macro_rules! carried {
    () => {
        $crate::carried::Executor::packed(
            include_bytes!(concat!(env!("OUT_DIR"), "/executor.zlib")),
            option_env!("QUILL_ADMIN_CARRIED_SHA256"),
            option_env!("QUILL_ADMIN_CARRIED_SIZE"),
            option_env!("QUILL_ADMIN_CARRIED_OF"),
        )
    };
}

/// Remembers the executor that the program carries, before anything asks for it.
pub fn provide(executor: Option<Executor>) {
    if let Some(executor) = executor {
        // It is set once, by `main`.
        let _ = CARRIED.set(executor);
    }
}

/// The carried executor, if there is one.
#[must_use]
pub fn executor() -> Option<Executor> {
    CARRIED.get().copied()
}

impl Executor {
    /// Makes it from the values that a build script sets; `None` where the script has packed no executor.
    #[must_use]
    pub fn packed(
        packed: &'static [u8],
        sha256: Option<&'static str>,
        size: Option<&'static str>,
        of: Option<&'static str>,
    ) -> Option<Self> {
        Some(Self { packed, sha256: sha256?, size: size?.parse().ok()?, of: of? })
    }

    /// Unpacks the program. Its digest is compared, so that no job runs a damaged one.
    ///
    /// # Errors
    ///
    /// Fails, in words, when the bytes are damaged.
    pub fn unpack(&self) -> Result<Vec<u8>, String> {
        let program = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(self.packed, self.size)
            .map_err(|error| format!("the executor that this program carries is damaged: {error}"))?;
        if hex::encode(Sha256::digest(&program)) == self.sha256 {
            Ok(program)
        } else {
            Err("the executor that this program carries is damaged: its SHA-256 is another".to_owned())
        }
    }

    /// The revision of its sources.
    ///
    /// # Errors
    ///
    /// Fails when the build script has not set it in the form that is read here.
    pub fn revision(&self) -> Result<Revision, String> {
        let read = || {
            let mut words = self.of.split(' ');
            let commit = words.next()?.to_owned();
            let time = Timestamp::from_second(words.next()?.parse().ok()?).ok()?;
            Some(Revision { root: PathBuf::new(), commit, time, dirty: words.next()? == "dirty" })
        };
        read().ok_or_else(|| format!("of which commit the carried executor is cannot be read: {}", self.of))
    }
}

// The file is part of the build scripts, which have no tests of their own.
#[cfg(test)]
#[path = "../carry.rs"]
#[expect(dead_code, reason = "what it packs is for build scripts")]
mod carry;

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(program: &[u8], sha256: String) -> Executor {
        Executor {
            packed: miniz_oxide::deflate::compress_to_vec_zlib(program, 9).leak(),
            sha256: sha256.leak(),
            size: program.len(),
            of: "0123456789abcdef 1795953600 clean",
        }
    }

    #[test]
    fn what_was_packed_is_unpacked_and_nothing_else() {
        let program = b"program".repeat(1000);
        let sha256 = hex::encode(Sha256::digest(&program));
        let executor = packed(&program, sha256.clone());
        assert_eq!(executor.unpack().as_ref(), Ok(&program));
        let revision = executor.revision().expect("a revision");
        assert_eq!((revision.label().as_str(), revision.dirty), ("0123456789abcdef", false));
        assert_eq!(revision.time.to_string(), "2026-11-29T12:00:00Z");
        let other = packed(b"another program", sha256.clone()).unpack().expect_err("another");
        assert!(other.contains("its SHA-256 is another"), "{other}");
        let longer = Executor { size: 10, ..executor }.unpack().expect_err("longer than it may be");
        assert!(longer.contains("is damaged"), "{longer}");
        let cut = Executor { packed: executor.packed.get(..9).expect("bytes"), ..executor };
        assert!(cut.unpack().is_err());
    }
}
