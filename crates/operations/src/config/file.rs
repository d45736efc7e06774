//! The settings file as it is written. Unknown keys, values of a wrong type and invalid names are refused
//! with their place.
//!
//! To add a key: its field in one of the structs that `keys!` makes below, then `environment.rs` and
//! `reference.rs`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use quill_admin_cloud::{ProjectId, Region};
use quill_admin_contract::PublicKey;
use quill_admin_contract::invisible::invisible;
use quill_admin_yaml::{Mistake, Node, Place, Value};

use super::yaml;
use crate::error::CliError;

/// The whole file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) defaults: Settings,
    pub(super) environments: IndexMap<String, Entry>,
    /// The application's folder, as it is written in the file.
    pub(super) application: Option<String>,
    path: PathBuf,
    places: Places,
}

/// The place of each key, by its path from the top of the file, as in `environments.staging.job`.
type Places = HashMap<String, Place>;

impl File {
    /// The file, and the place in it of an environment's key: its own, or the one in `defaults`, or else that
    /// of the environment.
    pub(super) fn place(&self, environment: &str, key: &str) -> String {
        let own = format!("{ENVIRONMENTS}.{environment}");
        let place = [format!("{own}.{key}"), format!("{DEFAULTS}.{key}"), own];
        match place.iter().find_map(|path| self.places.get(path)) {
            Some(place) => format!("{}:{place}", self.path.display()),
            None => self.path.display().to_string(),
        }
    }
}

const APPLICATION: &str = "application";
const DEFAULTS: &str = "defaults";
const ENVIRONMENTS: &str = "environments";

/// Reads a file's content. Errors name file, line and column, and suggest the key that was probably meant.
pub(super) fn parse(path: &Path, bytes: impl AsRef<[u8]>) -> Result<File, CliError> {
    file(path, bytes.as_ref()).map_err(|Mistake { place, what, near }| {
        let error = CliError::usage(format!("{}:{place}: {what}", path.display()));
        match near {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error,
        }
    })
}

fn file(path: &Path, bytes: &[u8]) -> Result<File, Mistake> {
    let top = yaml::read(bytes)?;
    let mut places = Places::new();
    let at = |key: &str, place| At { key: key.to_owned(), path: key.to_owned(), place };
    if let Value::Nothing = top.value {
        return Err(Mistake::new(top.place, "the file is empty; it needs the key \"environments\""));
    }
    let (mut application, mut defaults, mut environments) = (None, Settings::default(), None);
    for (name, key, value) in keys(&top, &at("the file", top.place))? {
        let at = at(name, key);
        places.insert(at.path.clone(), key);
        match name {
            APPLICATION => application = folder(value, &at, &mut places)?,
            DEFAULTS => defaults = Settings::read(value, &at, &mut places)?,
            ENVIRONMENTS => environments = Some(entries(value, &at, &mut places)?),
            _ => return Err(unknown(name, key, &[APPLICATION, DEFAULTS, ENVIRONMENTS])),
        }
    }
    let Some(environments) = environments else {
        return Err(Mistake::new(top.place, "the key \"environments\" is missing"));
    };
    Ok(File { defaults, environments, application, path: path.to_owned(), places })
}

/// Reads the name of a folder. Whether the folder exists is checked when something is read from it.
fn folder(node: &Node, at: &At, places: &mut Places) -> Result<Option<String>, Mistake> {
    let name: Option<String> = Read::read(node, at, places)?;
    match name {
        Some(name) if name.is_empty() => Err(at.wrong(node, "names a folder")),
        name => Ok(name),
    }
}

/// The environments, by name.
fn entries(node: &Node, at: &At, places: &mut Places) -> Result<IndexMap<String, Entry>, Mistake> {
    let empty = || Mistake::new(at.place, "there is no environment in \"environments\"; name at least one");
    let mut environments = IndexMap::new();
    if let Value::Nothing = node.value {
        return Err(empty());
    }
    for (name, key, value) in keys(node, at)? {
        if !is_environment_name(name) {
            return Err(Mistake::new(
                key,
                format!(
                    "\"{}\" is not the name of an environment: it has up to 63 letters (a to z, A to Z), digits, \
                     hyphens, underscores and dots, and begins with a letter or a digit",
                    name.escape_debug()
                ),
            ));
        }
        let path = format!("{}.{name}", at.path);
        places.insert(path.clone(), key);
        if let Value::Nothing = value.value {
            return Err(Mistake::new(
                key,
                format!(
                    "environment \"{name}\" has nothing in it; give it a \"project\", or \"emulated: true\""
                ),
            ));
        }
        let at = At { key: format!("environment \"{name}\""), path, place: key };
        environments.insert(name.to_owned(), Entry::read(value, &at, places)?);
    }
    if environments.is_empty() {
        return Err(empty());
    }
    Ok(environments)
}

/// Whether a name is a valid name of an environment. Names go into commands to paste, headings and
/// completions, where these characters have no special meaning.
fn is_environment_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// A key and its place.
struct At {
    /// The name of the key, or a description of the object that holds keys.
    key: String,
    /// Its path from the top of the file.
    path: String,
    place: Place,
}

impl At {
    fn inner(&self, name: &str, place: Place) -> Self {
        Self { key: name.to_owned(), path: format!("{}.{name}", self.path), place }
    }

    /// A mistake about the value of this key: `rule` completes "the key … ".
    fn wrong(&self, node: &Node, rule: &str) -> Mistake {
        match &node.value {
            // A missing value has no place of its own.
            Value::Nothing => Mistake::new(
                self.place,
                format!("the key \"{}\" has no value; it {rule}, or is left out", self.key),
            ),
            other => {
                Mistake::new(node.place, format!("the key \"{}\" {rule}, not {}", self.key, other.what()))
            }
        }
    }
}

/// The keys of a value with their values. No key may be there twice, and each has to be a plain name.
fn keys<'a>(node: &'a Node, at: &At) -> Result<Vec<(&'a str, Place, &'a Node)>, Mistake> {
    let Value::Map(entries) = &node.value else {
        return Err(match &node.value {
            Value::Nothing => Mistake::new(
                at.place,
                format!("{} has nothing in it; give it keys, or leave it out", at.what()),
            ),
            other => Mistake::new(
                node.place,
                format!("{} holds keys with values (\"key: value\"), not {}", at.what(), other.what()),
            ),
        });
    };
    let mut keys: Vec<(&str, Place, &Node)> = Vec::new();
    for (key, value) in entries {
        let Value::Text(name) = &key.value else {
            return Err(Mistake::new(key.place, format!("a key is a name, not {}", key.value.what())));
        };
        if let Some((_, first, _)) = keys.iter().find(|(known, ..)| known == name) {
            return Err(Mistake::new(
                key.place,
                format!(
                    "the key \"{}\" is there twice, here and at {first}; remove one",
                    name.escape_debug()
                ),
            ));
        }
        keys.push((name, key.place, value));
    }
    Ok(keys)
}

impl At {
    fn what(&self) -> String {
        if self.key.contains(' ') { self.key.clone() } else { format!("the key \"{}\"", self.key) }
    }
}

fn unknown(name: &str, place: Place, allowed: &[&'static str]) -> Mistake {
    let what = format!("unknown key \"{}\"; allowed here: {}", name.escape_debug(), allowed.join(", "));
    Mistake::new(place, what).near(name, allowed.iter().copied())
}

/// A type that the value of a key is read into.
trait Read: Sized {
    fn read(node: &Node, at: &At, places: &mut Places) -> Result<Self, Mistake>;
}

impl Read for Option<String> {
    fn read(node: &Node, at: &At, _: &mut Places) -> Result<Self, Mistake> {
        let text = match &node.value {
            Value::Text(text) => text,
            Value::Map(_) => {
                return Err(at.wrong(node, "is a text (one that begins with a brace stands in quotes)"));
            }
            _ => return Err(at.wrong(node, "is a text")),
        };
        // Such a character can be written as an escape in quotes, as in "\u202e".
        if let Some((c, name)) = text.chars().find_map(|c| Some((c, invisible(c)?))) {
            let what = format!(
                "the key \"{}\" has a character in it that is not seen: {name} (U+{:04X}); remove it",
                at.key,
                u32::from(c)
            );
            return Err(Mistake::new(node.place, what));
        }
        Ok(Some(text.clone()))
    }
}

impl Read for bool {
    fn read(node: &Node, at: &At, _: &mut Places) -> Result<Self, Mistake> {
        let text = match &node.value {
            Value::Text(text) => text.to_ascii_lowercase(),
            _ => String::new(),
        };
        match text.as_str() {
            "true" | "yes" | "on" | "y" => Ok(true),
            "false" | "no" | "off" | "n" => Ok(false),
            _ => Err(at.wrong(node, "is true or false")),
        }
    }
}

impl Read for Vec<PublicKey> {
    fn read(node: &Node, at: &At, _: &mut Places) -> Result<Self, Mistake> {
        let wrong = |node: &Node| at.wrong(node, "is a list of public keys, such as [\"ed25519:…\"]");
        let Value::List(items) = &node.value else { return Err(wrong(node)) };
        let key = |item: &Node| {
            let Value::Text(text) = &item.value else { return Err(wrong(item)) };
            text.parse().map_err(|error| Mistake::new(item.place, format!("the key \"{}\": {error}", at.key)))
        };
        items.iter().map(key).collect()
    }
}

impl Read for Option<bool> {
    fn read(node: &Node, at: &At, places: &mut Places) -> Result<Self, Mistake> {
        bool::read(node, at, places).map(Some)
    }
}

impl Read for Option<u32> {
    fn read(node: &Node, at: &At, _: &mut Places) -> Result<Self, Mistake> {
        let number = match &node.value {
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| at.wrong(node, "is a whole number"))
    }
}

macro_rules! names {
    ($($name:ty),+) => {
        $(impl Read for Option<$name> {
            fn read(node: &Node, at: &At, places: &mut Places) -> Result<Self, Mistake> {
                let text: Option<String> = Read::read(node, at, places)?;
                text.map(|text| text.parse()).transpose().map_err(|error| {
                    Mistake::new(node.place, format!("the key \"{}\": {error}", at.key))
                })
            }
        })+
    };
}

names!(ProjectId, Region);

/// Makes a struct whose fields are the keys of a value; all of them can be left out.
macro_rules! keys {
    ($(#[doc = $doc:literal])+ $name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Default, Clone)]
        pub(super) struct $name { $(pub(super) $field: $type),+ }

        impl Read for $name {
            fn read(node: &Node, at: &At, places: &mut Places) -> Result<Self, Mistake> {
                let mut this = Self::default();
                for (name, key, value) in keys(node, at)? {
                    let at = at.inner(name, key);
                    places.insert(at.path.clone(), key);
                    match name {
                        $(stringify!($field) => this.$field = Read::read(value, &at, places)?,)+
                        _ => return Err(unknown(name, key, &[$(stringify!($field)),+])),
                    }
                }
                Ok(this)
            }
        }
    };
}

keys! {
    /// The keys that an environment may set, and `defaults` for all environments. Texts may hold `{env}`,
    /// `{project}` and `{region}`.
    Settings {
        region: Option<Region>,
        job: Option<String>,
        image: Option<String>,
        service_account: Option<String>,
        backend: Backend,
        database: Database,
        target: Option<String>,
        preview: Option<String>,
        working_hours: Option<String>,
        records: Records,
        network: Network,
        terraform_state: TerraformState,
        audit: Audit,
    }
}

keys! {
    /// One environment: its own keys, and the keys of [`Settings`].
    Entry {
        project: Option<ProjectId>,
        protected: bool,
        emulated: bool,
        impersonate_service_account: Option<String>,
        endpoint: Option<String>,
        endpoints: EndpointsEntry,
        region: Option<Region>,
        job: Option<String>,
        image: Option<String>,
        service_account: Option<String>,
        backend: Backend,
        database: Database,
        target: Option<String>,
        preview: Option<String>,
        working_hours: Option<String>,
        records: Records,
        network: Network,
        terraform_state: TerraformState,
        audit: Audit,
    }
}

keys! {
    /// Addresses of single APIs.
    EndpointsEntry {
        run: Option<String>,
        logging: Option<String>,
        sql: Option<String>,
        artifact_registry: Option<String>,
        resource_manager: Option<String>,
        user_info: Option<String>,
        iam_credentials: Option<String>,
        secret_manager: Option<String>,
        service_usage: Option<String>,
        storage: Option<String>,
    }
}

keys! {
    /// The application's own service.
    Backend {
        service: Option<String>,
        image: Option<String>,
        tag: Option<String>,
        dockerfile: Option<String>,
        target: Option<String>,
    }
}

keys! {
    /// The database.
    Database {
        instance: Option<String>,
        name: Option<String>,
        user: Option<String>,
        password_secret: Option<String>,
    }
}

keys! {
    /// The keys that records are signed and verified with.
    Records { key_secret: Option<String>, public_keys: Vec<PublicKey> }
}

keys! {
    /// The job's way into the VPC network.
    Network { connector: Option<String>, egress: Option<String> }
}

keys! {
    /// The bucket with the Terraform state, and the lock on it.
    TerraformState { bucket: Option<String>, lock: Option<String> }
}

keys! {
    /// The log bucket with the records.
    Audit {
        bucket: Option<String>,
        location: Option<String>,
        project: Option<String>,
        retention_days: Option<u32>,
        locked: Option<bool>,
    }
}
