//! Real repositories for tests of what is read from them.

use std::path::Path;
use std::process::Command;

/// Runs git in a folder as a person does, with all that the repository's configuration names; returns its output.
///
/// # Panics
///
/// Panics if git is not there or refuses.
pub fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"])
        .args(args)
        .output()
        .expect("git is there");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Makes an empty commit; returns its id.
///
/// # Panics
///
/// Panics if git is not there or refuses.
pub fn commit(folder: &Path, message: &str) -> String {
    git(folder, &["commit", "--quiet", "--allow-empty", "--message", message]);
    git(folder, &["rev-parse", "HEAD"])
}
