//! Container images: from a folder of sources to a registry, with the Docker Engine.
//!
//! [`Context`] reads what a build gets, [`Engine`] builds it, [`Image`] is what it has built in bytes that are
//! the same every time, [`Registry`] is asked what is there, and is sent images. Which image is built, and why, is for the CLI to know.

/// The tag that always is the newest image.
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

/// What every image is built for: Cloud Run runs nothing else.
pub const PLATFORM: &str = "linux/amd64";
