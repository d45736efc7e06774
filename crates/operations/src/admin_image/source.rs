//! What the admin image is made of: the sources that are compiled, or what this program carries with the application's
//! actions.

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

/// The stage that is the admin image. Always named, though it is the last.
pub(super) const TARGET: &str = "admin";

/// The file with the actions, from the root of the sources: the image's build script compiles it.
const ACTIONS: &str = "application/actions.yaml";

/// What the builder stage starts from, unless told otherwise; the Dockerfile's own default.
const BUILDER_IMAGE_ARG: &str = "BUILDER_IMAGE";

/// The build argument that becomes the label with the digests of the actions.
const ACTIONS_ARG: &str = "ACTIONS";

/// Where the image comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// Compiled, inside a clone; elsewhere put together of the executor that this program carries, where it does.
    #[default]
    AsFits,
    /// Compiled of the sources.
    FromSource,
    /// Put together of the executor that this program carries.
    Carried,
}

/// What a person asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// Where the image comes from.
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

/// What the image is made of, and the names of what becomes of it.
pub struct Source {
    /// The version.
    pub revision: Revision,
    /// Digest of everything that goes in.
    pub digest: String,
    /// The digests of the actions that the image will have; `None` for sources that declare none in a file.
    pub actions: Option<ActionDigests>,
    /// Whose these actions are.
    pub(super) own: Own,
    /// How it is made.
    pub made: Made,
}

/// How an image is made.
pub enum Made {
    /// It is to be compiled, in an engine.
    Compiled(Compiled),
    /// It is there already: put together of the carried executor and the application's actions.
    Assembled(Box<Assembled>),
}

/// What is compiled.
pub struct Compiled {
    /// The files.
    pub context: Context,
    /// The image the builder stage starts from.
    pub builder_image: String,
    /// It is not the Dockerfile's own.
    builder_image_given: bool,
}

impl Source {
    /// Reads what the image is made of: the sources, or, where none are around, what this program carries and the
    /// application's actions.
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

    /// Reads the sources.
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

    /// Whether an engine is needed to make it.
    #[must_use]
    pub fn needs_engine(&self) -> bool {
        matches!(self.made, Made::Compiled(_))
    }

    /// What a person should know of them.
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

/// Compiles the actions that the build gets, as the image's build script will. What is wrong with them is told now and
/// not after minutes of compiling.
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

/// What the build does not get though no rule leaves it out, in words; at most a few of them.
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
