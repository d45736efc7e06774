//! Container images: from a folder of sources to a registry, with the Docker Engine.
//!
//! [`Context`] reads what a build gets, [`Engine`] builds and pushes it, [`Registry`] is asked what
//! is there. Which image is built, and why, is for the CLI to know.

mod context;
mod engine;
mod error;
mod ignore;
mod name;
mod registry;
mod revision;

pub use context::Context;
pub use engine::{BuildEvent, BuildRequest, Builder, Engine, LocalImage};
pub use error::{ImageError, ImageErrorKind};
pub use name::{InvalidImageName, Repository};
pub use registry::{Registry, RegistryImage, Token};
pub use revision::Revision;

/// What every image is built for: Cloud Run runs nothing else.
pub const PLATFORM: &str = "linux/amd64";
