//! The admin image, assembled from a ready executor and the application's actions: nothing is compiled, and
//! no Docker engine is needed.
//!
//! The result says and holds what `docker/Dockerfile` would make, so a change of labels, users or files there
//! is one here, too. The same parts make the same digest on every machine.
//!
//! To change what is in the image: `assemble`, and `docker/Dockerfile`, which makes the same; tests compare them.

use std::collections::BTreeMap;
use std::io;

use quill_admin_actions::Actions;
use quill_admin_contract::CONTRACT_OLDEST;
use quill_admin_contract::image::{
    ACTIONS_FILE, Contracts, LABEL_ACTIONS, LABEL_CONTRACT, LABEL_CONTRACTS, LABEL_CREATED, LABEL_REVISION,
    LABEL_SOURCE, LABEL_TITLE, TITLE,
};
use quill_admin_contract::image_actions::ActionDigests;
use quill_admin_image::{Entry, Image, Layer, PLATFORM, Revision, Settings};
use sha2::{Digest as _, Sha256};

use crate::admin_image::clone::repository_around;
use crate::admin_image::deployed_actions::Own;
use crate::carried::{self, Executor};
use crate::config::Application;
use crate::error::CliError;
use crate::process::Process;

/// The path of the executor in the image.
const PROGRAM: &str = "quill-admin-executor";
const USER: &str = "10001:10001";
const PASSWD: &str = "quill:x:10001:10001:Quill admin:/nonexistent:/sbin/nologin\n";
const GROUP: &str = "quill:x:10001:\n";

/// An assembled image and the origin of its parts.
#[derive(Debug)]
pub struct Assembled {
    /// The complete image.
    pub image: Image,
    /// The SHA-256 of the program in it.
    pub executor: &'static str,
    /// The place that its actions come from, in words.
    pub whereabouts: String,
}

/// An assembled image together with the commit that it belongs to, the digest of everything that went into
/// it, its actions, and whose actions they are.
pub(super) struct Parts {
    pub(super) revision: Revision,
    pub(super) digest: String,
    pub(super) actions: ActionDigests,
    pub(super) own: Own,
    pub(super) assembled: Assembled,
}

/// Assembles the image from the executor that this program carries and the application's actions.
///
/// # Errors
///
/// Fails when no executor is carried, when the actions have mistakes, and when git does not tell the commit
/// of a folder that is in a repository.
pub(super) fn of_carried(process: &Process, application: &Application) -> Result<Parts, CliError> {
    let executor = carried::executor().ok_or_else(none_is_carried)?;
    let actions = application.actions(process)?.actions;
    let revision = revision(application, executor)?;
    let program = executor.unpack().map_err(broken)?;
    let made = assemble(&program, &actions, &revision, env!("CARGO_PKG_VERSION"));
    let (image, digest) =
        made.map_err(|error| broken(format!("the image cannot be put together: {error}")))?;
    let own = Own::of(application, &process.cwd, process.built_from);
    let whereabouts = application.whereabouts();
    let assembled = Assembled { image, executor: executor.sha256, whereabouts };
    Ok(Parts { revision, digest, actions: ActionDigests::of(&actions), own, assembled })
}

fn none_is_carried() -> CliError {
    CliError::usage(
        "this quill-admin carries no executor to put an image together of: it was built without one",
    )
    .hint("use a released quill-admin, or run this inside a clone of it, without --carried")
}

fn broken(why: String) -> CliError {
    CliError::new(quill_admin_contract::ExitCode::Unexpected, why)
        .hint("install quill-admin once more; if that does not help, it is a bug")
}

/// The commit that the actions belong to; where they are not in a repository, the executor's commit.
fn revision(application: &Application, executor: Executor) -> Result<Revision, CliError> {
    // The real path of the folder, as git tells it: a link, or a way up and down again, may lead elsewhere.
    let folder =
        application.folder().map(|folder| folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
    match folder {
        Some(folder) if repository_around(&folder).is_some() => Ok(Revision::of(&folder)?),
        _ => executor.revision().map_err(broken),
    }
}

/// Makes the image of these bytes, and the digest of everything in it except its commit: another commit with
/// the same parts needs no other image.
fn assemble(
    program: &[u8],
    actions: &Actions,
    revision: &Revision,
    version: &str,
) -> io::Result<(Image, String)> {
    let base = Layer::of(vec![
        Entry::folder("etc", 0o755),
        Entry::file("etc/passwd", 0o644, PASSWD),
        Entry::file("etc/group", 0o644, GROUP),
    ])?;
    let program = Layer::of(vec![Entry::file(PROGRAM, 0o555, program)])?;
    // The actions are the last layer, so that only this layer is pushed when the actions change.
    let compiled = Layer::of(vec![Entry::file(ACTIONS_FILE, 0o444, actions.to_json())])?;
    let layers = vec![base, program, compiled];
    let mut settings = Settings {
        user: USER.to_owned(),
        entrypoint: Some(vec![format!("/{PROGRAM}")]),
        labels: Some(labels(version, actions)),
        ..Settings::default()
    };
    let mut hash = Sha256::new();
    for part in layers.iter().map(|layer| layer.blob().digest()).chain([PLATFORM]) {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(serde_json::to_vec(&settings)?);
    let digest = format!("sha256:{}", hex::encode(hash.finalize()));
    let of_its_sources = [
        (LABEL_REVISION, revision.label()),
        (LABEL_CREATED, revision.time.to_string()),
        (LABEL_SOURCE, digest.clone()),
    ];
    let labels = settings.labels.get_or_insert_default();
    labels.extend(of_its_sources.map(|(label, value)| (label.to_owned(), value)));
    Ok((Image::assemble(&settings, revision.time, layers)?, digest))
}

/// The labels that `docker/Dockerfile` writes on every image of this version; a test compares them.
fn labels(version: &str, actions: &Actions) -> BTreeMap<String, String> {
    [
        (LABEL_TITLE, TITLE.to_owned()),
        (
            "org.opencontainers.image.description",
            "Runs one Quill admin task against one database, once".to_owned(),
        ),
        ("org.opencontainers.image.licenses", "MIT OR Apache-2.0".to_owned()),
        ("org.opencontainers.image.version", version.to_owned()),
        (LABEL_CONTRACT, CONTRACT_OLDEST.to_string()),
        (LABEL_CONTRACTS, Contracts::OWN.to_string()),
        (LABEL_ACTIONS, ActionDigests::of(actions).to_string()),
    ]
    .into_iter()
    .map(|(label, value)| (label.to_owned(), value))
    .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::{Value, json};

    use super::*;

    fn revision() -> Revision {
        Revision {
            root: PathBuf::new(),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            time: "2026-11-29T12:00:00Z".parse().expect("a time"),
            dirty: false,
        }
    }

    /// Makes a set of one action with this description.
    fn actions(about: &str) -> Actions {
        let action = json!({
            "definition": {"read": true, "rows": {"max": 1, "query": [{"sql": "SELECT 1"}]}, "schema": "public"},
            "words": {"about": about},
        });
        let compiled = json!({
            "actions": {"count": action},
            "check": [],
            "format": 1,
            "order": ["count"],
            "schema": "public",
            "tables": {},
        });
        Actions::read(compiled.to_string().as_bytes()).expect("compiled actions")
    }

    fn small() -> (Image, String) {
        assemble(b"program", &actions("counts"), &revision(), "1.2.3").expect("an image")
    }

    #[test]
    fn the_same_parts_make_the_same_digest_everywhere() {
        let (image, digest) = small();
        assert_eq!(small(), (image.clone(), digest.clone()));
        // The expected digests are written down: a change of them changes the image of everybody's actions,
        // too. Contract versions are such a change.
        assert_eq!(
            (digest.as_str(), image.digest()),
            (
                "sha256:fd76e05443f3f59b78111760986dd687ac67d2bf46dc27a3ac1325f376fe4b45",
                "sha256:3d71f998fe4ad050daabebdce06f6c3c7efbce31e1d347859fa12c53bf444fb1"
            )
        );
    }

    /// The build script recognises an executor that reads this file by this text.
    #[test]
    fn the_executor_that_is_carried_looks_for_that_file() {
        for mark in [include_str!("../../carry.rs"), include_str!("../../../executor/src/main.rs")] {
            assert!(mark.contains(&format!(" beside {ACTIONS_FILE};")));
        }
    }

    #[test]
    fn each_part_counts_and_the_commit_makes_no_other_source() {
        let (image, digest) = small();
        let of = |program: &[u8], about: &str, version: &str| {
            assemble(program, &actions(about), &revision(), version).expect("an image")
        };
        for other in [
            of(b"other", "counts", "1.2.3"),
            of(b"program", "adds up", "1.2.3"),
            of(b"program", "counts", "1.2.4"),
        ] {
            assert_ne!(other.0.digest(), image.digest());
            assert_ne!(other.1, digest);
        }
        // Other actions make another last layer, and nothing else is pushed.
        let other = of(b"program", "adds up", "1.2.3").0;
        assert_eq!(other.layers().get(..2), image.layers().get(..2));
        let dirty = Revision { dirty: true, ..revision() };
        let later = assemble(b"program", &actions("counts"), &dirty, "1.2.3").expect("an image");
        assert_ne!(later.0.digest(), image.digest());
        assert_eq!(later.1, digest);
    }

    #[test]
    fn it_is_what_the_dockerfile_makes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docker/Dockerfile");
        let dockerfile = std::fs::read_to_string(path).expect("the Dockerfile");
        let (image, digest) = small();
        let digests = ActionDigests::of(&actions("counts")).to_string();
        let configuration: Value = serde_json::from_slice(image.configuration().bytes()).expect("JSON");
        let config = &configuration["config"];
        assert!(dockerfile.contains(&format!("\nUSER {}\n", config["User"].as_str().expect("a user"))));
        assert!(dockerfile.contains(&format!("\nENTRYPOINT {}\n", config["Entrypoint"])));
        for line in [PASSWD, GROUP] {
            assert!(dockerfile.contains(&format!("echo '{}' >", line.trim_end())), "{line}");
        }
        let labels = config["Labels"].as_object().expect("labels");
        let set = dockerfile.lines().filter_map(|line| {
            let line = line.trim().trim_start_matches("LABEL ").trim_end_matches(" \\");
            let (label, value) = line.split_once("=\"")?;
            Some((label, value.trim_end_matches('"')))
        });
        let set: BTreeMap<&str, &str> =
            set.filter(|(label, _)| label.starts_with("org.") && !label.contains(' ')).collect();
        assert_eq!(set.keys().copied().collect::<Vec<_>>(), labels.keys().collect::<Vec<_>>());
        for (label, value) in set {
            let expected = match value {
                "$VERSION" => "1.2.3",
                "$REVISION" => "0123456789abcdef0123456789abcdef01234567",
                "$CREATED" => "2026-11-29T12:00:00Z",
                "$SOURCE_DIGEST" => &digest,
                "$ACTIONS" => &digests,
                literal => literal,
            };
            assert_eq!(labels[label], expected, "{label}");
        }
    }
}
