//! The ingredients of the admin image: either sources that are compiled, or the executor that this program
//! carries together with the application's actions.
//!
//! [`Source`] knows the digest of the ingredients, from which the image's tag is made, so that an image that
//! the registry has is not built again. To add an option of the build: [`Options`], `args.rs` and
//! `commands/build.rs` of the command-line program.

use std::path::{Path, PathBuf};

use quill_admin_contract::image_actions::ActionDigests;
use quill_admin_image::{Context, Engine, LATEST, PLATFORM, Revision};

use crate::admin_image::assembled::{self, Assembled, Parts};
use crate::admin_image::clone::{self, DOCKERFILE};
use crate::admin_image::deployed_actions::Own;
use crate::carried;
use crate::config::Application;
use crate::error::CliError;
use crate::process::Process;

/// The stage that is the admin image. It is always named, although it is the last one.
pub(super) const TARGET: &str = "admin";

/// The file with the actions, from the root of the sources: the image's build script compiles it.
const ACTIONS: &str = "application/actions.yaml";

/// The build argument with the base image of the builder stage; the Dockerfile has a default for it.
const BUILDER_IMAGE_ARG: &str = "BUILDER_IMAGE";

/// The build argument that becomes the label with the digests of the actions.
const ACTIONS_ARG: &str = "ACTIONS";

/// The way in which the image is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// Compiled, inside a clone; elsewhere assembled from the executor that this program carries, if it
    /// carries one.
    #[default]
    AsFits,
    /// Compiled from the sources.
    FromSource,
    /// Assembled from the executor that this program carries.
    Carried,
}

/// The options of a build that a person has given.
#[derive(Debug, Default)]
pub struct Options {
    /// The way in which the image is made.
    pub way: Way,
    /// The sources; by default the repository around the working folder.
    pub source: Option<PathBuf>,
    /// Builds and pushes even if the registry has the image of these sources.
    pub force: bool,
    /// Builds every step anew.
    pub no_cache: bool,
    /// The image the builder stage starts from, in place of the Dockerfile's.
    pub builder_image: Option<String>,
}

/// The ingredients of the image, and the names under which it is kept.
#[derive(Debug)]
pub struct Source {
    /// The commit of the sources.
    pub revision: Revision,
    /// The digest of everything that goes in.
    pub digest: String,
    /// The digests of the actions that the image will have; `None` for sources that declare none in a file.
    pub actions: Option<ActionDigests>,
    /// The owner of these actions.
    pub(super) own: Own,
    /// The way in which it is made.
    pub made: Made,
}

/// The way in which an image is made.
#[derive(Debug)]
pub enum Made {
    /// The image has to be compiled, in a Docker engine.
    Compiled(Compiled),
    /// The image is there already, assembled from the carried executor and the application's actions.
    Assembled(Box<Assembled>),
}

/// The ingredients of an image that is compiled.
#[derive(Debug)]
pub struct Compiled {
    /// The files.
    pub context: Context,
    /// The image the builder stage starts from.
    pub builder_image: String,
    /// Whether a person has named that image, in place of the Dockerfile's.
    builder_image_given: bool,
}

impl Source {
    /// Reads the ingredients of the image: the sources, or, where none are around, the carried executor and
    /// the application's actions.
    ///
    /// # Errors
    ///
    /// Fails when the sources are missing or not quill-admin's, when git cannot tell their commit, when the
    /// actions have mistakes, and when no executor is carried but one is asked for.
    pub fn read(process: &Process, application: &Application, options: &Options) -> Result<Self, CliError> {
        let carried = match options.way {
            Way::FromSource => false,
            Way::Carried => true,
            Way::AsFits => carried::executor().is_some() && !clone::is_in_a_clone(&process.cwd),
        };
        if !carried {
            let told = |error: CliError| match options.way {
                Way::AsFits if carried::executor().is_none() && !clone::is_in_a_clone(&process.cwd) => {
                    error.hint("or use a released quill-admin: it carries the executor and needs no clone")
                }
                _ => error,
            };
            return Self::of_sources(&process.cwd, options).map_err(told);
        }
        let Parts { revision, digest, actions, own, assembled } =
            assembled::of_carried(process, application)?;
        let made = Made::Assembled(Box::new(assembled));
        Ok(Self { revision, digest, actions: Some(actions), own, made })
    }

    /// Reads the ingredients from the sources.
    ///
    /// # Errors
    ///
    /// Fails when the folder is no clone of quill-admin, when it cannot be read, and when its actions have
    /// mistakes.
    pub fn of_sources(cwd: &Path, options: &Options) -> Result<Self, CliError> {
        let folder = options.source.as_deref().map_or_else(|| cwd.to_owned(), |source| cwd.join(source));
        let revision = Revision::of(&folder).map_err(clone::unreadable)?;
        let context = Context::read(&revision.root, DOCKERFILE).map_err(clone::unreadable)?;
        clone::are_ours(&revision.root, &context)?;
        let own = default_of(context.recipe(), BUILDER_IMAGE_ARG);
        let given = options.builder_image.clone().filter(|image| !image.is_empty());
        let builder_image_given = given.is_some();
        let builder_image = given.or(own).unwrap_or_default();
        let digest = context.digest(&[TARGET, PLATFORM, &builder_image])?;
        let actions = actions(&context, &revision)?;
        let made = Made::Compiled(Compiled { context, builder_image, builder_image_given });
        let own = Own::of_sources(&revision);
        Ok(Self { revision, digest, actions, own, made })
    }

    /// Whether a Docker engine is needed to make the image.
    #[must_use]
    pub fn needs_engine(&self) -> bool {
        matches!(self.made, Made::Compiled(_))
    }

    /// Notes on the ingredients for a person.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        match &self.made {
            Made::Compiled(compiled) => skipped(&compiled.context),
            Made::Assembled(_) => Vec::new(),
        }
    }

    /// The tag under which the registry keeps the image of exactly these sources.
    #[must_use]
    pub fn tag(&self) -> String {
        let digest = self.digest.trim_start_matches("sha256:");
        format!("source-{}", digest.get(..32).unwrap_or(digest))
    }

    /// All tags of the image.
    #[must_use]
    pub fn tags(&self) -> [String; 3] {
        [LATEST.to_owned(), self.revision.tag(), self.tag()]
    }

    pub(super) fn args(&self, compiled: &Compiled, engine: &Engine) -> Vec<(String, String)> {
        let mut args = vec![
            ("BUILDER_PLATFORM", engine.platform().to_owned()),
            ("REVISION", self.revision.label()),
            ("CREATED", self.revision.time.to_string()),
            ("SOURCE_DIGEST", self.digest.clone()),
            ("VERSION", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        if let Some(actions) = &self.actions {
            args.push((ACTIONS_ARG, actions.to_string()));
        }
        if compiled.builder_image_given {
            args.push((BUILDER_IMAGE_ARG, compiled.builder_image.clone()));
        }
        args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Compiles the actions that the build gets, as the image's build script will. Mistakes in them are reported
/// now and not after minutes of compiling.
pub(super) fn actions(context: &Context, revision: &Revision) -> Result<Option<ActionDigests>, CliError> {
    let file = revision.root.join(ACTIONS);
    let Some(text) = context.content(ACTIONS, quill_admin_application::LARGEST)? else { return Ok(None) };
    let compiled = quill_admin_application::compile(&file, &text).map_err(|broken| {
        CliError::from(broken).hint(
            "sources that are newer than this program may declare more than it knows: build with their own quill-admin, \
             cargo run --release -- build",
        )
    })?;
    Ok(Some(ActionDigests::of(&compiled.actions)))
}

/// The files that the build does not get although no rule leaves them out, in words; at most a few of them
/// are named.
#[must_use]
pub fn skipped(context: &Context) -> Vec<String> {
    const NAMED: usize = 10;
    let skipped = context.skipped();
    let mut notes: Vec<String> =
        skipped.iter().take(NAMED).map(|what| format!("left out of the build: {what}")).collect();
    if skipped.len() > NAMED {
        notes.push(format!("left out of the build: {} more of the kind", skipped.len() - NAMED));
    }
    notes
}

/// The default of a build argument in a Dockerfile.
fn default_of(recipe: &str, arg: &str) -> Option<String> {
    recipe.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("ARG ")?.trim_start().strip_prefix(arg)?.strip_prefix('=')?;
        Some(rest.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builders_image_is_read_from_the_recipe() {
        let recipe = "# x\nARG BUILDER_IMAGE=rust:1.95.0-slim\nFROM $BUILDER_IMAGE AS builder\n";
        assert_eq!(default_of(recipe, "BUILDER_IMAGE").as_deref(), Some("rust:1.95.0-slim"));
        assert_eq!(default_of(recipe, "BUILDER"), None);
    }
}
