//! Packs the executor that a quill-admin carries: docs/decisions/0041. This is part of the build scripts of
//! the programs that can carry one: this package's and, for tests, that of `tests/carrying`.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::Digest as _;

/// The level of the compression, from 0 to 10.
const LEVEL: u8 = 9;

/// Packs the executor that a variable names, if it names one. A wrong file would be noticed only when a job
/// does not start, so it is checked here.
pub(crate) fn carry(root: &Path, variable: &str) {
    println!("cargo::rerun-if-env-changed={variable}");
    let Some(file) = std::env::var_os(variable).filter(|file| !file.is_empty()) else {
        write("executor.zlib", &[]);
        return;
    };
    let file = root.join(file);
    watch(&file);
    let program = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    if let Err(why) = is_the_executor(&program) {
        panic!("{variable}={}: {why}", file.display());
    }
    // The label of the image that tells where it is from, when its actions are this program's, needs the
    // commit.
    watch_commits(root);
    // An archive that was unpacked inside another repository belongs to none of its commits.
    let top =
        git(root, &["rev-parse", "--show-toplevel"]).and_then(|top| Path::new(&top).canonicalize().ok());
    assert!(
        top.is_some() && top == root.canonicalize().ok(),
        "{variable}: these sources are no clone of their own"
    );
    let log = git(root, &["log", "-1", "--no-show-signature", "--format=%H %ct"]);
    let log = log.unwrap_or_else(|| panic!("{variable}: git does not tell which commit this is"));
    // The branch is asked for so that the answer is never empty: git says nothing, too, where it has failed.
    let status = git(root, &["status", "--branch", "--porcelain", "--untracked-files=no"]);
    let status = status.unwrap_or_else(|| panic!("{variable}: git does not tell whether files are changed"));
    let changed = status.lines().any(|line| !line.starts_with("## "));
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
    let file = out(name);
    std::fs::write(&file, content).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// A file that the program includes.
pub(crate) fn out(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join(name)
}

/// A missing file must not be watched: cargo would take it for changed every time.
pub(crate) fn watch(path: &Path) {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

pub(crate) fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).current_dir(root).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Runs the script again with another commit.
pub(crate) fn watch_commits(root: &Path) {
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(root, &["rev-parse", "--git-path", name]) {
            watch(&root.join(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str =
        concat!("quill-admin-executor ", env!("CARGO_PKG_VERSION"), " beside quill-admin-actions.json;");

    /// The smallest file that is accepted as a program: its header, one part of this kind, and a text.
    fn program(kind: u8, machine: u8, text: &str) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(64 + 56, 0);
        bytes[18] = machine;
        (bytes[32], bytes[54], bytes[56]) = (64, 56, 1);
        bytes[64] = kind;
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn this_versions_static_program_for_the_image_is_taken_and_nothing_else() {
        let load = 1;
        assert_eq!(is_the_executor(&program(load, 62, MARK)), Ok(()));
        let arm = is_the_executor(&program(load, 183, MARK)).expect_err("for another machine");
        assert_eq!(arm, "it is no program for linux/amd64");
        let script = is_the_executor(b"#!/bin/sh\n").expect_err("no program");
        assert_eq!(script, "it is no program for linux/amd64");
        let dynamic = is_the_executor(&program(3, 62, MARK)).expect_err("it asks for a loader");
        assert!(dynamic.starts_with("it is not static"), "{dynamic}");
        let other =
            is_the_executor(&program(load, 62, "quill-admin-executor 0.0.1 beside ")).expect_err("older");
        assert_eq!(other, "it is not the executor of this version");
        let whole = program(load, 62, "");
        for length in 20..66 {
            let cut = is_the_executor(&whole[..length]).expect_err("cut off");
            assert_eq!(cut, "it ends in its own header", "{length} bytes");
        }
        let mut far = whole;
        far[39] = 0xff;
        assert_eq!(is_the_executor(&far), Err("it ends in its own header"));
    }
}
