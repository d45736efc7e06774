//! Container images: from a folder of sources to a registry, with the Docker Engine.
//!
//! [`Context`] reads the files of a build, [`Engine`] builds it, [`Image`] is the built image in bytes that
//! are always the same, and [`Registry`] reads and receives images. The CLI decides which image is built, and
//! why.

/// The tag of the newest image.
pub const LATEST: &str = "latest";

mod address;
mod assemble;
mod builder;
mod context;
mod credentials;
mod engine;
mod error;
mod export;
mod ignore;
mod lineage;
mod name;
mod push;
mod recipe;
mod registry;
mod revision;
mod token;

pub use assemble::{Blob, Entry, EntryKind, Image, Layer, Settings};
pub use builder::Builder;
pub use context::Context;
pub use engine::{BuildEvent, BuildRequest, Engine, LocalImage};
pub use error::{ImageError, ImageErrorKind};
pub use lineage::{Lineage, lineage};
pub use name::{InvalidImageName, Repository, digest, split};
pub use registry::{Registry, RegistryImage};
pub use revision::Revision;
pub use token::Token;

/// The platform that every image is built for: Cloud Run runs no other.
pub const PLATFORM: &str = "linux/amd64";
