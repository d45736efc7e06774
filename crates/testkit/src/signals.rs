//! Makes programs under test react to Ctrl-C, whatever the tests were started from.

use std::sync::Once;

use tokio::signal::unix::{SignalKind, signal};

/// Lets programs that are started from here on receive SIGINT as usual.
///
/// A process that was started with SIGINT ignored (by `nohup`, or in the background of a script) passes that
/// on to its children, and a shell cannot undo it. A signal that is caught gets its default action back in a
/// child (`execve(2)`), so it is caught here if it was ignored; this process still ignores it.
pub(crate) fn reset() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()) {
            // A test may call this within a runtime of its own, where no other one may be dropped.
            let caught = std::thread::spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let _inside = runtime.enter();
                // The handler stays when this is dropped: tokio never takes one away.
                drop(signal(SignalKind::interrupt()).expect("a handler for SIGINT"));
            });
            caught.join().expect("SIGINT is caught");
        }
    });
}

/// Whether `proc_pid_status(5)` says that SIGINT is ignored. Without that file (macOS) it is taken as not
/// ignored.
fn ignored(status: &str) -> bool {
    const SIGINT: u32 = 2;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok())
        .is_some_and(|mask| mask & (1 << (SIGINT - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use super::ignored;

    #[test]
    fn the_second_bit_is_sigint() {
        for (status, expected) in [
            ("Name:\tx\nSigIgn:\t0000000000000002\n", true),
            ("Name:\tx\nSigIgn:\t0000000000001007\n", true),
            ("Name:\tx\nSigIgn:\t0000000000001000\n", false),
            ("", false),
        ] {
            assert_eq!(ignored(status), expected, "{status}");
        }
    }
}
