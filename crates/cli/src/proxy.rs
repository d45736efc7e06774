//! Keeps proxies away from connections within this machine.
//!
//! Every HTTP client in this program reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` of the
//! process when it is made, and most of them are made inside other people's crates, which take neither a
//! client nor a setting of ours. With a proxy and without an exception for this machine they would ask the
//! proxy for `127.0.0.1`: the environment on this machine would fail, or its requests, with the hash of a
//! password in them, would be read by whoever runs the proxy. So the exception is added to the variable
//! before anything else is done. A process that may have threads cannot change its own variables safely, but
//! it can replace itself by the same program with other variables (`execve`), which keeps its number, its
//! terminal and its open files.
//!
//! To add a variable that names proxies or exceptions: `PROXIES` or `EXCEPTIONS`.

use std::ffi::OsString;

use quill_admin_files::system::set_variable;
use quill_admin_operations::error::CliError;

/// The variables that name a proxy.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The variables that name exceptions, in the order in which the clients read them: the first that is set
/// counts.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// The names and addresses of this machine, as the clients' `NO_PROXY` understands them: a name, a network,
/// an address. A star would not do, because it stands for names only.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.0/8", "::1"];
/// Whether the system has settings for a proxy that the clients also use. They are built without those of Windows.
const SYSTEM_HAS_PROXIES: bool = cfg!(target_os = "macos");

/// Starts this program again with exceptions for this machine, where there may be a proxy and they are
/// missing. Returns where nothing has to be done.
///
/// # Errors
///
/// Fails when the program cannot be started again. It must not go on then: requests within this machine would
/// be sent to the proxy.
pub(crate) fn keep_away_from_this_machine() -> Result<(), CliError> {
    let changes = exceptions(|name| std::env::var_os(name));
    if changes.is_empty() { Ok(()) } else { start_again(changes) }
}

/// The variables to set; none where all exceptions are there.
fn exceptions(variable: impl Fn(&str) -> Option<OsString>) -> Vec<(&'static str, OsString)> {
    let named = |name: &&str| variable(name).is_some_and(|value| !value.is_empty());
    if !SYSTEM_HAS_PROXIES && !PROXIES.iter().any(named) {
        return Vec::new();
    }
    // The clients treat a value that is not text as missing.
    let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
    let first = EXCEPTIONS.iter().find_map(|name| text(name)).unwrap_or_default();
    EXCEPTIONS
        .iter()
        .filter_map(|name| {
            // Other programs that this one starts may read the second variable first.
            let now = text(name).unwrap_or_else(|| first.clone());
            let entries: Vec<&str> =
                now.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
            let missing: Vec<&str> = THIS_MACHINE.into_iter().filter(|own| !entries.contains(own)).collect();
            if text(name).is_some() && missing.is_empty() {
                return None;
            }
            let all: Vec<&str> = entries.into_iter().chain(missing).collect();
            Some((*name, OsString::from(all.join(","))))
        })
        .collect()
}

fn failed(error: &std::io::Error) -> CliError {
    CliError::new(
        quill_admin_contract::ExitCode::Unexpected,
        format!("failed to start again with NO_PROXY set for this machine: {error}"),
    )
    .hint(format!("set it yourself: {}", by_hand(&THIS_MACHINE.join(","))))
}

/// The command that sets both variables; on Windows they are one.
fn by_hand(exceptions: &str) -> String {
    let set = set_variable("NO_PROXY", exceptions);
    if cfg!(windows) { set } else { format!("{set} no_proxy={exceptions}") }
}

#[cfg(unix)]
fn start_again(changes: Vec<(&'static str, OsString)>) -> Result<(), CliError> {
    use std::os::unix::process::CommandExt as _;
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut arguments = std::env::args_os();
    let mut command = std::process::Command::new(&program);
    command.arg0(arguments.next().unwrap_or_else(|| program.into_os_string()));
    // This returns only if it fails.
    Err(failed(&command.args(arguments).envs(changes).exec()))
}

/// A process cannot be replaced here: this one waits for the new one, and ends with its code. Ctrl-C reaches both,
/// and the new one decides what it means.
#[cfg(windows)]
fn start_again(changes: Vec<(&'static str, OsString)>) -> Result<(), CliError> {
    use tokio::signal::windows::{ctrl_break, ctrl_c};
    let run = async {
        // Whoever listens is not ended by them.
        let _listening = (ctrl_c()?, ctrl_break()?);
        let program = std::env::current_exe()?;
        tokio::process::Command::new(program).args(std::env::args_os().skip(1)).envs(changes).status().await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let status = runtime.and_then(|runtime| runtime.block_on(run)).map_err(|error| failed(&error))?;
    std::process::exit(status.code().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(variables: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let changes = exceptions(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        });
        changes.into_iter().map(|(name, value)| (name, value.into_string().expect("text"))).collect()
    }

    const OWN: &str = "localhost,127.0.0.0/8,::1";

    #[test]
    #[cfg(not(target_os = "macos"))]
    fn without_a_proxy_nothing_is_changed() {
        assert_eq!(changes(&[]), []);
        assert_eq!(changes(&[("HTTP_PROXY", ""), ("NO_PROXY", "x")]), []);
    }

    #[test]
    fn this_machine_is_added_to_the_exceptions() {
        for proxy in PROXIES {
            let found = changes(&[(proxy, "http://proxy:3128")]);
            assert_eq!(found, [("NO_PROXY", OWN.to_owned()), ("no_proxy", OWN.to_owned())], "{proxy}");
        }
        let proxy = ("HTTP_PROXY", "http://proxy:3128");
        let both = |value: &str| vec![("NO_PROXY", value.to_owned()), ("no_proxy", value.to_owned())];
        assert_eq!(
            changes(&[proxy, ("NO_PROXY", "corp.example, ::1")]),
            both("corp.example,::1,localhost,127.0.0.0/8")
        );
        assert_eq!(changes(&[proxy, ("no_proxy", "*")]), both(&format!("*,{OWN}")));
        assert_eq!(
            changes(&[proxy, ("NO_PROXY", ""), ("no_proxy", "a")]),
            [("NO_PROXY", OWN.to_owned()), ("no_proxy", format!("a,{OWN}")),]
        );
        // A name that only resembles one of them is another name.
        assert_eq!(changes(&[proxy, ("NO_PROXY", "notlocalhost")]), both(&format!("notlocalhost,{OWN}")));
    }

    #[test]
    fn once_is_enough() {
        for first in ["", "corp.example", " a , b,,", "*", "127.0.0.1"] {
            let proxy = ("ALL_PROXY", "socks5://proxy:1");
            let now = changes(&[proxy, ("NO_PROXY", first)]);
            let again: Vec<(&str, &str)> =
                [proxy].into_iter().chain(now.iter().map(|(name, value)| (*name, value.as_str()))).collect();
            assert_eq!(changes(&again), [], "{first:?}");
        }
    }
}
