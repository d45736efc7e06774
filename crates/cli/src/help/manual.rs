//! Variables, files and exit codes of the program, for the manual pages and the topic `options`.
//!
//! To add an exit code: `ExitCode` in the crate `contract`, and [`exit_codes`] for the commands that end with it.

use quill_admin_contract::ExitCode;

/// The variables that people set, with what they mean.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    ("QUILL_ADMIN_ENV", "the environment, in place of --env"),
    ("QUILL_ADMIN_CONFIG", "the environments file, in place of --config; such a file needs no confirmation"),
    ("QUILL_ADMIN_RUNNER", "what runs local tasks, in place of --runner"),
    (
        "QUILL_ADMIN_TRUSTED_HOSTS",
        "hosts to trust with the sign-in, with commas between them, in place of --trust-host",
    ),
    ("QUILL_ADMIN_NO_INPUT", "1 or true: ask nothing, in place of --no-input"),
    ("QUILL_ADMIN_BUILDER_IMAGE", "the Rust image to build with, in place of --builder-image of build"),
    ("NO_COLOR", "set, and not empty: no colours; --color goes first"),
    ("CLICOLOR", "0: no colours"),
    ("CLICOLOR_FORCE", "set, and not 0: colours also where there is no terminal"),
    ("GOOGLE_APPLICATION_CREDENTIALS", "a file with credentials to sign in with"),
    ("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "a file with an access token, as gcloud uses it"),
    ("CLOUDSDK_CONFIG", "the folder of gcloud's settings, with the account that is signed in"),
    ("HTTPS_PROXY, NO_PROXY", "a proxy for Google Cloud, and exceptions from it; this machine is always one"),
    ("SSL_CERT_FILE", "certificates to trust in place of the system's, as behind a proxy that opens TLS"),
    ("DOCKER_HOST, DOCKER_CONTEXT", "where the Docker engine is"),
    (
        "XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME",
        "folders for settings, state and what can be made again",
    ),
];

/// The files that the program reads and writes.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("environments.yaml", "the environments, in the working folder or above it"),
    (
        "~/.config/quill-admin/environments.yaml",
        "the same, where there is none in the working folder or above it; on Windows %APPDATA%\\quill-admin\\",
    ),
    (
        ".quill-admin/local/",
        "the environment local, beside the environments file, or in ~/.local/state/quill-admin/ where there is none; \
         quill-admin local reset deletes it",
    ),
    (
        "~/.local/state/quill-admin/confirmed",
        "which projects and jobs have been confirmed as places for tasks; on Windows %LOCALAPPDATA%\\quill-admin\\",
    ),
    (
        "~/.cache/pglite-oxide/",
        "PostgreSQL's own program, unpacked once for all environments local of a user",
    ),
];

/// The exit codes that the page of a command lists, by the words after the program's name. The program's own page
/// has all of them.
pub(crate) fn exit_codes(words: &[&str], is_task: bool) -> impl Iterator<Item = ExitCode> {
    // Success and usage, stdout, and somebody who leaves.
    const ALWAYS: &[u8] = &[0, 2, 33, 130];
    // The result of a task, or that there is none.
    const TASK: &[u8] = &[10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 24, 25, 26, 27];
    // What keeps a command from Google Cloud, or from the environment on this machine.
    const CLOUD: &[u8] = &[20, 21, 22, 23, 34];
    let of_its_own: &[&[u8]] = match words {
        [_] if is_task => &[TASK, CLOUD, &[28]],
        ["attach" | "cancel"] => &[TASK, CLOUD],
        ["undo"] => &[TASK, CLOUD, &[28]],
        ["each"] => &[TASK, CLOUD, &[28, 32]],
        ["review"] => &[TASK, CLOUD, &[28, 30, 31]],
        ["doctor"] => &[CLOUD, &[27, 28, 30, 31]],
        ["build"] => &[CLOUD, &[27, 28, 29]],
        ["restore-backend" | "record-key"] => &[CLOUD, &[27, 28]],
        ["history" | "logs" | "whoami"] => &[CLOUD],
        ["login" | "actions"] => &[&[20, 21, 22, 23]],
        ["actions", "check" | "test"] => &[&[15, 34]],
        ["local", ..] => &[&[34]],
        _ => &[],
    };
    ExitCode::ALL
        .iter()
        .copied()
        .filter(move |code| [ALWAYS].iter().chain(of_its_own).any(|codes| codes.contains(&code.code())))
}
