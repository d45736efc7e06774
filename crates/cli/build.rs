//! Compiles the actions that are built in, packs the executor that is to be carried, and notes which revision of the
//! sources this is, for `--version`.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::Digest as _;

/// How hard the executor is packed, 0 to 10.
const LEVEL: u8 = 9;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    actions(&root.join("application"));
    carry(&root);
    // Another commit, or an edit of what the program is made of.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&root, &["rev-parse", "--git-path", name]) {
            watch(&root.join(path));
        }
    }
    let parts = ["actions", "application", "cli", "cloud", "contract", "emulator", "engine", "executor"];
    for name in parts.into_iter().chain(["files", "image", "local", "yaml"]) {
        watch(&root.join("crates").join(name).join("src"));
    }
    watch(&root.join("Cargo.lock"));
    watch(Path::new("build.rs"));
    // An archive has no revision to tell, also where it was unpacked inside another repository.
    let top = git(&root, &["rev-parse", "--show-toplevel"]).map(PathBuf::from);
    if top.and_then(|top| top.canonicalize().ok()) != root.canonicalize().ok() {
        return;
    }
    if let Some(revision) = git(&root, &["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]) {
        println!("cargo::rustc-env=QUILL_ADMIN_REVISION={revision}");
    }
}

/// Compiles `application/actions.yaml`, so that no run of the program has to.
fn actions(folder: &Path) {
    watch(&folder.join(quill_admin_application::ACTIONS));
    let compiled = match quill_admin_application::read(folder) {
        Ok(application) => application.actions.to_json(),
        Err(broken) => panic!("{broken}"),
    };
    write("actions.json", compiled.as_bytes());
}

/// Packs the executor that the variable `QUILL_ADMIN_EXECUTOR` names, where it does: docs/decisions/0041. A wrong file
/// would be found out by a job that does not start, so it is looked at here.
fn carry(root: &Path) {
    println!("cargo::rerun-if-env-changed=QUILL_ADMIN_EXECUTOR");
    let Some(file) = std::env::var_os("QUILL_ADMIN_EXECUTOR").filter(|file| !file.is_empty()) else {
        write("executor.zlib", &[]);
        return;
    };
    let file = root.join(file);
    watch(&file);
    let program = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    if let Err(why) = is_the_executor(&program) {
        panic!("QUILL_ADMIN_EXECUTOR={}: {why}", file.display());
    }
    // What an image says of where it is from, where its actions are those of this program.
    let log = git(root, &["log", "-1", "--no-show-signature", "--format=%H %ct"]);
    let log = log.unwrap_or_else(|| panic!("QUILL_ADMIN_EXECUTOR: git does not tell which commit this is"));
    let changed = git(root, &["status", "--porcelain", "--untracked-files=no"]).is_some();
    println!("cargo::rustc-env=QUILL_ADMIN_CARRIED_OF={log} {}", if changed { "dirty" } else { "clean" });
    println!("cargo::rustc-env=QUILL_ADMIN_CARRIED_SHA256={}", hex::encode(sha2::Sha256::digest(&program)));
    println!("cargo::rustc-env=QUILL_ADMIN_CARRIED_SIZE={}", program.len());
    write("executor.zlib", &miniz_oxide::deflate::compress_to_vec_zlib(&program, LEVEL));
}

/// Whether these are the bytes of this version's executor, as the image needs it.
fn is_the_executor(program: &[u8]) -> Result<(), &'static str> {
    // The ELF specification, "ELF Header" and "Program Header": 64 bits, little-endian, x86-64 (62).
    if !program.starts_with(b"\x7fELF\x02\x01") || number(program, 18, 2) != Some(62) {
        return Err("it is no program for linux/amd64");
    }
    let headers = || Some((number(program, 32, 8)?, number(program, 54, 2)?, number(program, 56, 2)?));
    let (first, size, count) = headers().ok_or("it ends in its own header")?;
    for index in 0..count {
        match first.checked_add(index * size).and_then(|at| number(program, at, 4)) {
            // PT_INTERP: it asks for a loader, which the image does not have.
            Some(3) => {
                return Err("it is not static: build it with RUSTFLAGS=\"-C target-feature=+crt-static\"");
            }
            Some(_) => {}
            None => return Err("it ends in its own header"),
        }
    }
    let mark =
        concat!("quill-admin-executor ", env!("CARGO_PKG_VERSION"), " beside quill-admin-actions.json;");
    if program.windows(mark.len()).any(|bytes| bytes == mark.as_bytes()) {
        Ok(())
    } else {
        Err("it is not the executor of this version")
    }
}

fn number(bytes: &[u8], at: u64, size: usize) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn write(name: &str, content: &[u8]) {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join(name);
    std::fs::write(&out, content).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}

/// What is not there would be taken for changed every time.
fn watch(path: &Path) {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).current_dir(root).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
