//! Reads the folder `application/`, which describes the application whose database the tool works on.
//!
//! - `actions.yaml` declares the actions: [`compile`] turns it into [`quill_admin_actions::Actions`].
//! - `schema.sql` and `seed.sql` make the application's tables where the application is not: on this machine,
//!   and in tests.
//! - `examples/` holds golden cases: [`examples`].
//!
//! [`shipped`] is the folder of this repository, compiled in.
//!
//! All mistakes of a file are reported at once, in the order of its lines, with line and column, the allowed
//! values and the one that was probably meant: [`Broken`]. PostgreSQL reports the place of a mistake in a
//! statement by the number of a character; [`Places`] knows its line.
//!
//! To add a key of `actions.yaml`: the module of its part of the file here, its field in the crate `actions`,
//! and its use in the crate `engine`.

mod actions;
mod calls;
mod checks;
pub mod examples;
mod jobs;
mod mistake;
mod names;
mod parameters;
mod places;
mod reader;
pub mod shipped;
mod spelling;
mod sql;
mod statement;
mod steps;
mod subjects;
mod tables;
mod text;

use std::path::{Path, PathBuf};

use quill_admin_actions::Actions;
use quill_admin_files::read_bounded;
use quill_admin_yaml::{Document, Format, Node};

pub use mistake::Broken;
pub use names::COMMANDS;
pub use places::Places;
pub use quill_admin_yaml::{Mistake, Place};

use crate::actions::Parts;
use crate::reader::{At, Reader};
use crate::tables::Tables;

/// The name of the file with the actions, in the folder `application/`.
pub const ACTIONS: &str = "actions.yaml";

/// The name of the file that makes the application's tables.
pub const SCHEMA: &str = "schema.sql";

/// The name of the file that puts the first rows into them.
pub const SEED: &str = "seed.sql";

/// Largest size of a file of the folder, in bytes.
pub const LARGEST: u64 = 1024 * 1024;

/// The limits for the folder's YAML. The files need ten levels.
const YAML: Format = Format { depth: 20, enough: "any application needs", habit: |_| None };

/// The version of the language of `actions.yaml`.
const FORMAT: &str = "1";

/// A compiled `actions.yaml`.
#[derive(Debug, PartialEq, Eq)]
pub struct Application {
    /// The actions, with the tables that they are for.
    pub actions: Actions,
    /// The places of their statements in the file.
    pub places: Places,
}

/// Reads and compiles the file `actions.yaml` of a folder.
///
/// # Errors
///
/// [`Broken`], with all mistakes of the file, or the reason why it cannot be read.
pub fn read(folder: &Path) -> Result<Application, Broken> {
    let file = folder.join(ACTIONS);
    compile(&file, &content(&file)?)
}

/// Compiles the actions of a folder into a file, for the build scripts of programs that include them. Returns
/// the file that was read: the script has to run again if it changes.
///
/// # Errors
///
/// A message with all mistakes of the actions, or with the reason why the file cannot be written.
pub fn compile_into(folder: &Path, compiled: &Path) -> Result<PathBuf, String> {
    let application = read(folder).map_err(|broken| broken.to_string())?;
    std::fs::write(compiled, application.actions.to_json())
        .map_err(|error| format!("failed to write {}: {error}", compiled.display()))?;
    Ok(folder.join(ACTIONS))
}

/// Compiles the content of an `actions.yaml`. `file` is its name in messages.
///
/// # Errors
///
/// [`Broken`], with all mistakes of the content.
pub fn compile(file: &Path, bytes: &[u8]) -> Result<Application, Broken> {
    if bytes.len() as u64 > LARGEST {
        return Err(Broken::whole(file, "the file is larger than 1 MiB, the most that is read"));
    }
    let document = document(file, bytes)?;
    let mut reader = Reader::new(&document);
    let compiled = whole(&mut reader, &document.top);
    reader.finish(file)?;
    compiled.ok_or_else(|| Broken::whole(file, "the file cannot be read"))
}

/// The content of a file of the folder.
fn content(file: &Path) -> Result<Vec<u8>, Broken> {
    read_bounded(file, LARGEST).map_err(|why| Broken::whole(file, format!("failed to read this file: {why}")))
}

/// The YAML values of a file of the folder.
fn document(file: &Path, bytes: &[u8]) -> Result<Document, Broken> {
    quill_admin_yaml::read(bytes, &YAML).map_err(|mistakes| Broken::new(file, mistakes, 0))
}

fn whole(reader: &mut Reader<'_>, node: &Node) -> Option<Application> {
    let at = At::new("the file", Place::START);
    let top = reader.fields(
        node,
        &at,
        &["format", "schema", "tables", "check", "parameters", "subjects", "actions"],
    )?;
    let why = format!("it is the version of the language: \"format: {FORMAT}\"");
    if let Some(entry) = reader.needed(&top, "format", &why).cloned() {
        reader.one_of(entry.value, &entry.at, &[(FORMAT, ())]);
    }
    let tables = Tables::read(reader, &top);
    let mut places = Places::of_tables(tables.places.clone());
    let check = checks::read(reader, &top, &tables, &mut places);
    let shared = parameters::shared(reader, &top, &tables);
    let subjects = subjects::read(reader, &top, &tables, &shared);
    let parts = Parts { tables: &tables, shared: &shared, subjects: &subjects };
    let actions = actions::read(reader, &top, &parts, &mut places);
    let Tables { schema, tables, .. } = tables;
    Some(Application { actions: Actions::new(schema, tables, check, actions), places })
}
