//! The judgement over two branches in real repositories.

use quill_admin_cloud::JobSettings;
use quill_admin_contract::image::annotation;
use quill_admin_contract::{Arguments, ExitCode};
use quill_admin_testkit::git::{commit, git};

use super::revision::short;
use super::*;
use crate::actions;
use crate::config::Application;
use crate::process::BuiltFrom;

const PINNED: (&str, &str) = (annotation::IMAGE, "sha256:1");
const ANOTHER: &str = "2222222222222222222222222222222222222222222222222222222222222222";

fn job(image: &str, notes: &[(&str, &str)]) -> JobSettings {
    let annotations = notes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    JobSettings { image: image.to_owned(), annotations: annotations.collect(), ..JobSettings::default() }
}

fn action(name: &str) -> AdminAction {
    match actions::known(name) {
        Some(action) => AdminAction::new(action, Arguments::default()),
        None => AdminAction::check(),
    }
}

/// The digests of this program's actions, with another one for this action.
fn other(name: &str) -> String {
    let own = ActionDigests::of(actions::of_this_run()).to_string();
    let digest = actions::known(name).expect("an action").digest();
    own.replace(digest.as_str(), ANOTHER)
}

/// The revision of a program that was built from this commit.
fn built_from() -> BuiltFrom {
    let committed = "2026-08-01T10:00:00Z".parse().expect("a time");
    BuiltFrom { revision: Some("fedcba987654"), committed: Some(committed) }
}

/// The error of [`judge`] for a job and one of this program's actions; `None` when the action may run.
fn told(job: &JobSettings, name: &str, own: &Own, cwd: &Path) -> Option<CliError> {
    judge(job, &action(name), "staging", cwd, || own.clone()).err()
}

#[test]
fn an_action_runs_where_the_image_has_the_same_or_does_not_say() {
    let nowhere = tempfile::tempdir().expect("a folder");
    let own = Own::of(&Application::BuiltIn, nowhere.path(), built_from());
    let same = ActionDigests::of(actions::of_this_run()).to_string();
    let other = other("add-role");
    let declared = |actions| [PINNED, (annotation::CONTRACT, "1"), (annotation::CONTRACTS, "1-3"), actions];
    let old = |newest| [PINNED, (annotation::CONTRACT, "1"), (annotation::CONTRACTS, newest)];
    let refused =
        |job: &JobSettings, name: &str| told(job, name, &own, nowhere.path()).map(|error| error.code);
    let too_old = Some(ExitCode::ImageTooOld);
    for (notes, name, expected) in [
        (&declared((annotation::ACTIONS, &same))[..], "add-role", None),
        (&declared((annotation::ACTIONS, &other)), "add-role", too_old),
        (&declared((annotation::ACTIONS, &other)), "show-user", None),
        (&declared((annotation::ACTIONS, "{}")), "add-role", too_old),
        (&declared((annotation::ACTIONS, "{}")), "check", None),
        // The image does not say which actions it has.
        (&declared((annotation::ACTIONS, "")), "add-role", None),
        (&declared((annotation::ACTIONS, "nonsense")), "add-role", None),
        // Images from before actions were declared have six.
        (&old("1-1"), "add-role", None),
        (&old("1-1"), "set-password", too_old),
        (&old("1-2"), "set-password", too_old),
        (&old("1-2"), "show-user", None),
        (&old("1-2"), "check", None),
        (&old("1-3"), "set-password", None),
    ] {
        assert_eq!(refused(&job("r/admin@sha256:1", notes), name), expected, "{notes:?} {name}");
        // Notes about another image tell nothing about this one.
        assert_eq!(refused(&job("r/admin@sha256:2", notes), name), None);
        assert_eq!(refused(&job("r/admin:latest", notes), name), None);
    }
}

#[test]
fn the_side_that_is_behind_is_told_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    git(root, &["init", "--quiet"]);
    std::fs::create_dir_all(root.join("docker")).expect("made");
    std::fs::create_dir_all(root.join("application")).expect("made");
    std::fs::create_dir_all(root.join("elsewhere")).expect("made");
    std::fs::write(root.join("docker/Dockerfile"), "").expect("written");
    git(root, &["add", "."]);
    let base = commit(root, "base");
    let theirs = commit(root, "theirs");
    git(root, &["checkout", "--quiet", "--detach", &base]);
    let mine = commit(root, "mine");
    let dirty = format!("{base}-dirty");
    let actions = other("add-role");
    let told = |checkout: &str, image: &str, folder: &str, cwd: &Path| {
        git(root, &["checkout", "--quiet", "--detach", checkout]);
        let own = Own::of(&Application::Named(root.join(folder)), cwd, built_from());
        let notes = [
            PINNED,
            (annotation::CONTRACTS, "1-3"),
            (annotation::ACTIONS, actions.as_str()),
            (annotation::REVISION, image),
            (annotation::COMMITTED, "2026-11-20T09:30:00Z"),
        ];
        let error = told(&job("r/admin@sha256:1", &notes), "add-role", &own, cwd).expect("refused");
        (error.to_string(), error.hints.join("; "))
    };
    let unknown = "f".repeat(40);
    let pull = format!("git -C {} pull", root.display());
    let elsewhere = tempfile::tempdir().expect("a folder");
    for (checkout, image, folder, cwd, hint, build) in [
        (&mine, &base, "application", root, "deploy yours with: quill-admin build --env staging", true),
        (&mine, &mine, "application", root, "deploy yours with: quill-admin build --env staging", true),
        (&mine, &base, "application", elsewhere.path(), "--env staging --source /", true),
        (&mine, &base, "elsewhere", root, "bring those of", true),
        (&base, &theirs, "application", root, &pull, false),
        (&base, &unknown, "application", root, &pull, false),
        (&base, &"--output=x".to_owned(), "application", root, &pull, false),
        (&mine, &theirs, "application", root, "two people work on two branches", false),
        (&mine, &dirty, "application", root, "changes that are in no commit", false),
    ] {
        let (what, hints) = told(checkout, image, folder, cwd);
        assert!(hints.contains(hint), "{checkout} {image} {folder}: {hints}");
        assert_eq!(hints.contains("quill-admin build"), build, "{hints}");
        assert!(what.contains("another add-role than") && what.ends_with("; nothing was started"), "{what}");
        let shown = short(image);
        assert!(
            what.contains(&format!("the image is of revision {shown} of 2026-11-20 09:30 UTC")),
            "{what}"
        );
        assert!(what.contains(&format!("yours of revision {} of 20", &checkout[..12])), "{what}");
    }
    let (_, both) = told(&mine, &theirs, "application", root);
    assert!(both.contains(&mine[..12]) && both.contains(&theirs[..12]), "{both}");
}

#[test]
fn without_a_checkout_the_times_of_the_commits_tell() {
    let nowhere = tempfile::tempdir().expect("a folder");
    // The working folder does not know this program's revision.
    let built_in = Own::of(&Application::BuiltIn, nowhere.path(), built_from());
    let in_no_repository =
        Own::of(&Application::Named(nowhere.path().to_owned()), nowhere.path(), built_from());
    let actions = other("add-role");
    let hints = |own: &Own, notes: &[(&str, &str)]| {
        let common = [PINNED, (annotation::CONTRACTS, "1-3"), (annotation::ACTIONS, actions.as_str())];
        let notes: Vec<_> = common.iter().chain(notes).copied().collect();
        told(&job("r/admin@sha256:1", &notes), "add-role", own, nowhere.path())
            .expect("refused")
            .hints
            .join("; ")
    };
    let revision = (annotation::REVISION, "0123456789abcdef0123456789abcdef01234567");
    let release = "use the quill-admin of that release, revision 0123456789ab";
    let older = hints(&built_in, &[revision, (annotation::COMMITTED, "2020-01-01T00:00:00Z")]);
    assert_eq!(older, "deploy yours with: quill-admin build --env staging");
    assert_eq!(hints(&built_in, &[revision, (annotation::COMMITTED, "2100-01-01T00:00:00Z")]), release);
    // The time of the build does not count: an old revision can be built late.
    assert_eq!(hints(&built_in, &[revision, (annotation::BUILT, "2020-01-01T00:00:00Z")]), release);
    assert_eq!(hints(&built_in, &[]), "use the quill-admin that the image was deployed with");
    let told = hints(&in_no_repository, &[revision, (annotation::COMMITTED, "2020-01-01T00:00:00Z")]);
    assert!(told.starts_with("which of the two is newer cannot be told ("), "{told}");
    assert!(told.contains("not a git repository"), "{told}");
}
