//! `--env local` where its state or this machine cannot be used: it is told at once, with what helps.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use quill_admin_e2e::{Finished as _, World};
use quill_admin_testkit::home::{Output, Run};
use quill_admin_testkit::skip;

const STATE: &str = ".quill-admin/local";
const RESET: &str = "quill-admin local reset --env local\n";

/// Far below the time that retries would take.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Runs it, and asserts that it fails at once with one sentence.
fn refused(run: Run) -> Output {
    let begun = Instant::now();
    let refused = run.output().exits(34);
    assert!(begun.elapsed() < AT_ONCE, "{:?} {refused}", begun.elapsed());
    assert_eq!(refused.stderr.matches("error: ").count(), 1, "{refused}");
    assert!(!refused.stderr.contains("panicked"), "{refused}");
    refused
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a program can be given mounts and a network of its own.
fn can_unshare(what: &str) -> bool {
    Command::new("unshare").args([what, "true"]).status().is_ok_and(|status| status.success())
}

/// The run as a user who is not root, and owns nothing.
fn as_nobody(run: &Run) -> Run {
    let command = run.command();
    let args: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    let program = command.get_program().to_owned();
    let run = run.clone().program("setpriv").without_args();
    run.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(args)
}

/// Lets everybody come into the folders of a world.
fn open_to_all(world: &World) {
    for folder in [world.home.path().to_owned(), world.home.work()] {
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("set");
    }
}

/// The run in a world of its own, which `prepare` changes first.
fn unshared(run: &Run, what: &str, prepare: &str) -> Run {
    let command = run.command();
    let program = command.get_program().to_owned();
    let args: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    let script = format!("{prepare}\nexec \"$0\" \"$@\"");
    let run = run.clone().program("unshare").without_args();
    run.arg(what).args(["sh", "-ec", &script]).arg(program).args(args)
}

#[test]
fn a_damaged_state_is_told_with_the_file_and_a_reset_helps() {
    let world = World::empty();
    let check = || world.quill_admin(["check", "-e", "local"]);
    let _ = check().output().exits(0);
    // A missing file is no reason to begin anew: what else is there would be lost.
    for name in ["layout.json", "cloud.json"] {
        let file = world.home.work().join(STATE).join(name);
        let content = fs::read(&file).expect("it is there");
        fs::remove_file(&file).expect("removed");
        for args in [&["check", "-e", "local"][..], &["local", "status"], &["list-users", "-e", "local"]] {
            let told = refused(world.quill_admin(args.iter().copied()));
            assert!(told.stderr.contains("error: the local environment is damaged: "), "{told}");
            assert!(told.stderr.contains(&format!("{name} cannot be used: it is missing\n")), "{told}");
            assert!(told.stderr.ends_with(RESET), "{told}");
        }
        fs::write(&file, content).expect("put back");
        let status = world.quill_admin(["local", "status", "--json"]).output().exits(0).json();
        assert_eq!(status["exists"], true, "{status}");
        fs::remove_file(&file).expect("removed");
        let reset = world.quill_admin(["local", "reset", "--yes"]).output().exits(0);
        assert!(reset.stdout.starts_with("deleted "), "{reset}");
        let _ = check().output().exits(0);
    }
    let database = format!("{STATE}/database/tmp/pglite/base/global/pg_control");
    for (file, with_status) in [
        (format!("{STATE}/layout.json"), true),
        (format!("{STATE}/cloud.json"), true),
        (format!("{STATE}/manifests.json"), true),
        (database, true),
    ] {
        world.home.write(&file, "{\"format\": ");
        let mut told = vec![refused(check())];
        if with_status {
            told.push(refused(world.quill_admin(["local", "status"])));
        }
        for told in told {
            assert!(told.stderr.contains("error: the local environment is damaged: "), "{file}: {told}");
            assert!(told.stderr.contains(STATE), "{file}: {told}");
            assert!(told.stderr.contains(RESET), "{file}: {told}");
        }
        let _ = world.quill_admin(["local", "reset", "--yes"]).output().exits(0);
        let _ = check().output().exits(0);
    }
}

/// Damage that a test does to a file.
type Damage<'a> = &'a dyn Fn(&Path);

/// The files of the database that are damaged in every way: PostgreSQL itself would notice in the middle of a task.
#[test]
fn damage_in_the_database_is_told_at_once_and_by_the_doctor() {
    let world = World::empty();
    let check = || world.quill_admin(["check", "-e", "local"]);
    let data = world.home.work().join(format!("{STATE}/database/tmp/pglite/base"));
    let whole = world.home.path().join("whole");
    let state = world.home.work().join(STATE);
    let copied = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
        assert!(copied.is_ok_and(|status| status.success()));
    };
    let _ = check().output().exits(0);
    copied(&state, &whole);

    let zeroed = |path: &Path| {
        let bytes = fs::metadata(path).expect("it is there").len();
        fs::write(path, vec![0; usize::try_from(bytes).expect("small")]).expect("written");
    };
    let truncated = |path: &Path| {
        let file = fs::File::options().write(true).open(path).expect("it is there");
        file.set_len(file.metadata().expect("it is there").len() / 2).expect("truncated");
    };
    let removed = |path: &Path| fs::remove_file(path).expect("removed");
    let wal = first_of(&data.join("pg_wal"));
    // The database of the tables has the greatest number.
    let tables = last_of(&data.join("base"));
    let damages: [(PathBuf, Damage<'_>); 8] = [
        (data.join("global/pg_control"), &zeroed),
        (data.join("global/pg_control"), &truncated),
        (data.join("global/pg_control"), &removed),
        (wal.clone(), &removed),
        (wal, &zeroed),
        (tables.join("1259"), &zeroed),
        (tables.join("1249"), &truncated),
        (tables.join("pg_filenode.map"), &zeroed),
    ];
    for listed in [true, false] {
        for (path, damage) in &damages {
            fs::remove_dir_all(&state).expect("removed");
            copied(&whole, &state);
            if !listed {
                // The process was killed.
                fs::remove_file(state.join("files.json")).expect("removed");
            }
            damage(path);
            let told = refused(check());
            assert!(told.stderr.contains("error: the local environment is damaged: "), "{path:?}: {told}");
            assert!(told.stderr.contains(STATE) && told.stderr.ends_with(RESET), "{path:?}: {told}");
            let skip = ["doctor", "-e", "local", "--skip", "machine-docker,machine-gcloud"];
            let doctor = world.quill_admin(skip).output().exits(30);
            assert!(doctor.stdout.contains("the local environment is damaged: "), "{path:?}: {doctor}");
            assert!(doctor.stdout.contains(RESET), "{path:?}: {doctor}");
        }
    }
    // Nothing is wrong with files that were only copied, or left by a process that was killed.
    for listed in [true, false] {
        fs::remove_dir_all(&state).expect("removed");
        let copied = Command::new("cp").arg("-r").arg(&whole).arg(&state).status();
        assert!(copied.is_ok_and(|status| status.success()));
        if !listed {
            fs::remove_file(state.join("files.json")).expect("removed");
        }
        let _ = check().output().exits(0);
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.collect()
}

/// The first segment of the log in a folder.
fn first_of(folder: &Path) -> PathBuf {
    let is_segment = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 24);
    names(folder).into_iter().filter(is_segment).min().expect("a segment")
}

/// The entry with the greatest number.
fn last_of(folder: &Path) -> PathBuf {
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u64>().ok();
    names(folder).into_iter().max_by_key(number).expect("a folder")
}

#[test]
fn a_folder_of_somebody_else_is_told_and_never_said_to_be_empty() {
    if !is_root() {
        skip!("root", "only root can give a folder away");
    }
    let world = World::empty();
    let _ = world.quill_admin(["check", "-e", "local"]).output().exits(0);
    let folder = world.home.work().join(STATE);
    chown(&folder, Some(4711), None).expect("given away");
    for args in [&["check", "-e", "local"][..], &["local", "status"], &["local", "reset", "--yes"]] {
        let told = refused(world.quill_admin(args.iter().copied()));
        assert!(
            told.stderr.contains("belongs to another user; nothing in it was changed or deleted"),
            "{told}"
        );
        assert!(told.stderr.contains("next: look at it with: ls -la "), "{told}");
        assert!(!told.stderr.contains("local reset"), "{told}");
        assert!(!told.stdout.contains("nothing"), "{told}");
    }
}

/// A file that may not be read is not taken for one that is missing.
#[test]
fn a_folder_that_may_not_be_read_is_told() {
    if is_root() {
        // Root may read everything: the program is run as somebody else.
        let world = World::empty();
        let state = world.home.work().join(STATE);
        fs::create_dir_all(&state).expect("made");
        fs::set_permissions(world.home.work().join(".quill-admin"), Permissions::from_mode(0o700))
            .expect("set");
        open_to_all(&world);
        let run = world.quill_admin(["local", "status", "--config", "environments.yaml"]);
        let told = refused(as_nobody(&run));
        assert!(told.stderr.contains("Permission denied"), "{told}");
        assert!(told.stderr.contains("next: look whose it is: ls -ld "), "{told}");
        assert_eq!(told.stdout, "");
        return;
    }
    let world = World::empty();
    let _ = world.quill_admin(["check", "-e", "local"]).output().exits(0);
    let state = world.home.work().join(STATE);
    fs::set_permissions(&state, Permissions::from_mode(0o000)).expect("set");
    for args in [&["check", "-e", "local"][..], &["local", "status"]] {
        let told = refused(world.quill_admin(args.iter().copied()));
        assert!(told.stderr.contains("Permission denied"), "{told}");
        assert_eq!(told.stdout, "");
    }
    fs::set_permissions(&state, Permissions::from_mode(0o700)).expect("set");
}

#[test]
fn a_full_disk_and_a_read_only_one_are_told() {
    if !can_unshare("-m") {
        skip!("unshare", "this user may not make mounts of its own");
    }
    let world = World::empty();
    let check = world.quill_admin(["check", "-e", "local"]);
    let state = format!("{}/.quill-admin", world.home.work().display());
    fs::create_dir_all(&state).expect("made");
    let tmpfs = |size: &str| format!("mount -t tmpfs -o size={size},mode=700 tmpfs {state}");

    let told = refused(unshared(&check, "-m", &tmpfs("10m")));
    assert!(told.stderr.contains("the disk is full: 10 MB are free, and 50 MB are needed"), "{told}");
    assert!(
        told.stderr.contains("next: free some space there, and try again; see what is free: df -h "),
        "{told}"
    );
    assert!(!told.stderr.contains("local reset"), "{told}");

    // An environment that is there, on a disk that has become full.
    let _ = check.clone().output().exits(0);
    let filled = format!(
        "cp -a {state} {state}.whole\n{}\ncp -a {state}.whole/. {state}\nhead -c 1G /dev/zero > {state}/rest 2>/dev/null \
         || true\nrm -rf {state}.whole",
        tmpfs("60m")
    );
    let told = refused(unshared(&check, "-m", &filled));
    assert!(
        told.stderr.contains("No space left on device") || told.stderr.contains("the disk is full"),
        "{told}"
    );
    assert!(told.stderr.contains("see what is free: df -h "), "{told}");
    assert!(!told.stderr.contains("local reset"), "{told}");

    let read_only = format!("mount --bind {state} {state}\nmount -o remount,bind,ro {state}");
    let told = refused(unshared(&check, "-m", &read_only));
    assert!(told.stderr.contains("Read-only file system"), "{told}");
    assert!(!told.stderr.contains("failed to create"), "{told}");
    let hint = "next: use a settings file in a folder that can be written to, since the state is kept beside it: \
                --config FILE\n";
    assert!(told.stderr.contains(hint), "{told}");
    assert!(!told.stderr.contains("local reset"), "{told}");
    // What can be read is told.
    let status = unshared(&world.quill_admin(["local", "status"]), "-m", &read_only).output().exits(0);
    assert!(status.stdout.contains("size ") && !status.stdout.contains("users "), "{status}");
    assert!(status.stderr.contains("error: failed to count what is in "), "{status}");
    assert!(status.stderr.contains("Read-only file system"), "{status}");
    let reset = refused(unshared(&world.quill_admin(["local", "reset", "--yes"]), "-m", &read_only));
    assert!(!reset.stderr.contains("deleting"), "{reset}");
    // Nothing has been lost.
    let _ = check.output().exits(0);
}

/// The state is not to blame for a folder that all environments of a user share, and is not deleted for it.
#[test]
fn a_cache_folder_that_cannot_be_written_is_told_and_no_reset_is_advised() {
    let world = World::empty();
    let cache = world.home.path().join("cache");
    fs::create_dir(&cache).expect("made");
    let check = world.quill_admin(["check", "-e", "local", "--config", "environments.yaml"]);
    let _ = check.clone().output().exits(0);
    let check = check.env("XDG_CACHE_HOME", &cache);
    let expected = |told: &Output, why: &str, hint: &str| {
        let what = format!("error: failed to use {}", cache.display());
        assert!(told.stderr.contains(&what) && told.stderr.contains(why), "{told}");
        assert!(told.stderr.contains(hint), "{told}");
        assert!(told.stderr.contains("XDG_CACHE_HOME=/a/folder\n"), "{told}");
        assert!(!told.stderr.contains("local reset"), "{told}");
        assert!(!told.stderr.contains("--config FILE"), "{told}");
    };
    let whose = format!("look whose it is: ls -ld {}\n", cache.display());
    if is_root() {
        let given = Command::new("chown").args(["-R", "65534:65534"]).arg(world.home.path()).status();
        assert!(given.is_ok_and(|status| status.success()));
        chown(&cache, Some(0), Some(0)).expect("taken back");
        expected(&refused(as_nobody(&check)), "Permission denied", &whose);
        let given = Command::new("chown").args(["-R", "0:0"]).arg(world.home.path()).status();
        assert!(given.is_ok_and(|status| status.success()));
    } else {
        fs::set_permissions(&cache, Permissions::from_mode(0o500)).expect("set");
        expected(&refused(check.clone()), "Permission denied", &whose);
        fs::set_permissions(&cache, Permissions::from_mode(0o700)).expect("set");
    }
    if can_unshare("-m") {
        let tmpfs = |options: &str| format!("mount -t tmpfs -o {options} tmpfs {}", cache.display());
        let told = refused(unshared(&check, "-m", &tmpfs("ro")));
        expected(&told, "Read-only file system", "");
        let told = refused(unshared(&check, "-m", &tmpfs("size=1m")));
        expected(&told, "No space left on device", "see what is free: df -h ");
    }
    let _ = check.output().exits(0);
}

/// A command that looks whose a folder is names one that is there.
#[test]
fn a_folder_that_cannot_be_made_is_told_with_the_folder_that_is_there() {
    let world = World::empty();
    let run = world.quill_admin(["check", "-e", "local", "--config", "environments.yaml"]);
    let work = world.home.work();
    let told = if is_root() {
        open_to_all(&world);
        refused(as_nobody(&run))
    } else {
        fs::set_permissions(&work, Permissions::from_mode(0o500)).expect("set");
        refused(run)
    };
    assert!(
        told.stderr.contains("error: failed to create ") && told.stderr.contains("/.quill-admin: "),
        "{told}"
    );
    assert!(told.stderr.contains(&format!("look whose it is: ls -ld {}\n", work.display())), "{told}");
    fs::set_permissions(&work, Permissions::from_mode(0o700)).expect("set");
}

#[test]
fn a_machine_without_a_loopback_interface_is_told_at_once() {
    if !can_unshare("-n") {
        skip!("unshare", "this user may not make a network of its own");
    }
    let world = World::empty();
    for args in [&["check", "-e", "local"][..], &["local", "serve"]] {
        let told = refused(unshared(&world.quill_admin(args.iter().copied()), "-n", ""));
        assert!(told.stderr.contains("error: this machine does not reach itself at 127.0.0.1"), "{told}");
        assert!(told.stderr.contains("ip link set lo up\n"), "{told}");
    }
    // Nothing was begun.
    assert!(!world.home.work().join(STATE).exists());
}
