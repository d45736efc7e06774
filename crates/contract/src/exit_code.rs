//! The exit codes of the executor and the CLI, in one table: name, number, which program ends with it, and
//! its meaning.
//!
//! To add a code: add a row here, and run `cargo xtask docs`, which writes the page in `docs/reference`.

use std::fmt;

/// The program or programs that end with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The executor in the container; the CLI passes the code through unchanged.
    Executor,
    /// The CLI on the laptop.
    Cli,
    /// Either of them.
    Both,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Executor => "executor",
            Self::Cli => "CLI",
            Self::Both => "both",
        })
    }
}

macro_rules! exit_codes {
    ($( $(#[doc = $doc:literal])+ $name:ident = $code:literal, $side:ident, $meaning:literal; )+) => {
        /// The exit code of a program. The numbers are public and stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ExitCode {
            $( $(#[doc = $doc])+ $name = $code, )+
        }

        impl ExitCode {
            /// Every code, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The meaning of the code, in a few words.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }

            /// The program or programs that end with the code.
            #[must_use]
            pub const fn side(self) -> Side {
                match self { $(Self::$name => Side::$side,)+ }
            }

            /// The code with this number, if there is one.
            #[must_use]
            pub const fn from_u8(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

exit_codes! {
    /// Done. Also when it was so already, and when it was done with warnings.
    Success = 0, Both, "done (also: was so already; also: done with warnings)";
    /// A bug in this program.
    Unexpected = 1, Both, "unexpected failure, a bug";
    /// A missing or invalid value, an unknown action or environment.
    Usage = 2, Both, "usage: missing or invalid value, unknown action or environment";
    /// The action's subject does not exist, such as the user.
    UserNotFound = 10, Executor, "not found: the user, or another subject of the action";
    /// Something that the action refers to does not exist, such as the role.
    RoleNotFound = 11, Executor, "not found: the role, or another thing the action refers to";
    /// A value that has to be unique is another row's, such as the email.
    EmailTaken = 12, Executor, "taken: the email, or another value that has to be unique";
    /// The database could not be reached, or did not answer in time.
    DatabaseUnreachable = 13, Executor, "database unreachable or timed out";
    /// The database refused: password, permission, TLS.
    DatabaseRefused = 14, Executor, "database refused (password, permission, TLS)";
    /// The database is not laid out as this image knows it.
    SchemaMismatch = 15, Both, "schema is not the one this image knows";
    /// Somebody else holds a lock on the row; nothing was changed.
    RowLocked = 16, Executor, "row locked by somebody else, nothing changed";
    /// The CLI and the image have no version of the contract in common, or not the same action of that name; the CLI
    /// says so before a run.
    ImageTooOld = 17, Both, "image and CLI have no contract version, or not the same action, in common; the message \
                             says which has what";
    /// Told to stop (SIGTERM); the transaction was rolled back.
    Stopped = 18, Executor, "stopped (SIGTERM) and rolled back";
    /// The change would not be the one that was previewed, or what is to be undone is not as it was left; nothing was
    /// changed.
    NotAsPreviewed = 19, Executor, "the state is not the one that was previewed, or not as the run that is undone has left it; nothing was changed";
    /// No credentials, or the token was refused.
    NotSignedIn = 20, Cli, "not signed in, or token refused";
    /// Google Cloud denied a permission.
    PermissionDenied = 21, Cli, "permission denied by Google Cloud";
    /// The job, the image or another resource does not exist, or is not fit to run tasks.
    ResourceNotFound = 22, Cli, "job, image or other resource not found, or not fit to run tasks";
    /// Google Cloud or the network failed; nothing was started.
    CloudFailed = 23, Cli, "Google Cloud or the network failed";
    /// The execution never started: image pull, secret, quota, a program that is not in the image.
    NeverStarted = 24, Cli, "nothing ran: Cloud Run refused to start the task (quota), or its container never started (image, secret)";
    /// Somebody cancelled the execution.
    Cancelled = 25, Cli, "the execution was cancelled";
    /// The execution ran into its time-out.
    TimedOut = 26, Cli, "the execution ran into the job's time-out; the message says whether anything may have been changed";
    /// Contact was lost after a task was started or a change was sent, or what is known does not fit together:
    /// it may or may not have been done.
    Unknown = 27, Cli, "**unknown**: contact lost after a task was started or a change was sent, or what is known does not fit together; the message says how to find out";
    /// A protected environment, or the project that a found settings file names, was not confirmed; nothing
    /// was sent.
    NotConfirmed = 28, Cli, "refused: a protected environment, a settings file, or a change that is to be previewed was not confirmed";
    /// Docker: no daemon, the build failed, the push failed.
    DockerFailed = 29, Cli, "Docker: no daemon, build failed, push failed";
    /// The doctor found problems, or a review has marked runs that deserve a look.
    ProblemsFound = 30, Cli, "doctor found problems; review has marked runs that deserve a look";
    /// The doctor could not decide everything, or a review could not look at everything.
    Undecided = 31, Cli, "doctor could not decide everything; review has marked nothing, and could not look at everything";
    /// Some rows of a bulk run failed, or were not begun.
    RowsFailed = 32, Both, "many at once: some rows failed or were not begun; the others are done, unless all were one transaction";
    /// The output of the command could not be written to stdout.
    OutputFailed = 33, Cli, "stdout could not be written to; the message says what came of the command";
    /// The embedded environment cannot be used: its state is damaged, not this user's, or made of other tables,
    /// the disk is full or read-only, or another process serves it.
    LocalUnusable = 34, Cli, "the environment on this machine (`local`) cannot be used; the message says why: damaged, disk full or read-only, somebody else's, other tables, served by another quill-admin, no loopback interface";
    /// Interrupted, left at a question, or answered with no; the message says whether the task still runs.
    Interrupted = 130, Cli, "interrupted (Ctrl-C), left at a question (Esc), or a question before a change answered with no; the message says what was done by then, and whether a task still runs";
}

impl ExitCode {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    #[test]
    fn numbers_are_unique_ascending_and_round_trip() {
        let codes: Vec<u8> = ExitCode::ALL.iter().map(|c| c.code()).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        for code in ExitCode::ALL {
            assert_eq!(ExitCode::from_u8(code.code()), Some(*code));
        }
        assert_eq!(ExitCode::from_u8(99), None);
    }
}
