//! [`Builder`]: the settings of a new emulator, and its start.
//!
//! To add a setting: its field and its default in `options.rs`, its method here, and its flag in `main.rs` for the
//! program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::cloud::Cloud;
use crate::emulator::Emulator;
use crate::error::Error;
use crate::guard::Guard;
use crate::options::{
    AuditedStarts, CancelledRun, MissingLogBucket, MissingSqlInstance, Options, PrivateLogs,
};
use crate::runner::Runner;
use crate::server;
use crate::state_file;
use crate::store::Saved;

impl Emulator {
    /// Begins to describe a new emulator.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// The settings of a new [`Emulator`]. Every one has a default.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    address: SocketAddr,
    runner: Runner,
    state_file: Option<PathBuf>,
    hosts: Vec<String>,
    options: Options,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            runner: Runner::Scripted,
            state_file: None,
            hosts: Vec::new(),
            options: Options::default(),
        }
    }
}

impl Builder {
    /// Sets the address to listen on; by default a free port of 127.0.0.1.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Serves requests for this host too, without a port: a name by which others reach the emulator,
    /// where it listens on more than loopback. By default requests are served for loopback addresses,
    /// `localhost`, and the address it listens on, so that no web page can reach it by a name of its
    /// own.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Sets the runner of containers; by default nothing runs them, see [`Runner::Scripted`].
    pub fn runner(mut self, runner: Runner) -> Self {
        self.runner = runner;
        self
    }

    /// Sets the time that an execution takes to start; by default none.
    pub fn provisioning_delay(mut self, delay: Duration) -> Self {
        self.options.provisioning_delay = delay;
        self
    }

    /// Sets the time that a container has between SIGTERM and SIGKILL; by default 10 s, as on Cloud Run.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = grace;
        self
    }

    /// Sets the time that a log entry takes until reads return it; by default none.
    pub fn log_delay(mut self, delay: Duration) -> Self {
        self.options.log_delay = delay;
        self
    }

    /// Sets the number of reads of its logs that a project has in a minute; by default 60, as in Cloud Logging.
    pub fn log_reads_per_minute(mut self, reads: u32) -> Self {
        self.options.log_reads_per_minute = reads;
        self
    }

    /// Sets the number of tails of log entries that a project can have open; by default 10, as in Cloud Logging.
    pub fn log_tails_per_project(mut self, tails: u32) -> Self {
        self.options.log_tails_per_project = tails;
        self
    }

    /// Ends a tail of log entries, in good order, when the caller has closed its own side; by default
    /// it goes on. It is not documented which of the two Cloud Logging does.
    pub fn end_tail_with_requests(mut self, end: bool) -> Self {
        self.options.end_tail_with_requests = end;
        self
    }

    /// Makes log entries come late, each by another time up to `within`, and so out of order. The
    /// same seed gives the same times to the first, the second and every further entry.
    pub fn shuffle_entries(mut self, seed: u64, within: Duration) -> Self {
        self.options.shuffle_entries = Some((seed, within));
        self
    }

    /// Makes about a third of the log entries come twice, always the same ones with the same seed:
    /// at once, or `within` later where they are [shuffled](Self::shuffle_entries).
    pub fn duplicate_entries(mut self, seed: u64) -> Self {
        self.options.duplicate_entries = Some(seed);
        self
    }

    /// Whether every run gives the job a new etag, so that a second caller who read the job before it is
    /// refused. Whether Cloud Run does so is not known; by default not.
    pub fn run_changes_etag(mut self, changes: bool) -> Self {
        self.options.run_changes_etag = changes;
        self
    }

    /// Sets the end of the operation of a cancelled run; by default a response.
    pub fn cancelled_run(mut self, end: CancelledRun) -> Self {
        self.options.cancelled_run = end;
        self
    }

    /// Says nothing of time-outs: a container that is stopped by one looks like any that was killed, and
    /// only how long it ran tells. By default its result, its condition and its log say so.
    pub fn unsaid_time_outs(mut self, unsaid: bool) -> Self {
        self.options.unsaid_time_outs = unsaid;
        self
    }

    /// Sets the answer of the Cloud SQL Admin API for an instance that does not exist; by default 404.
    pub fn missing_sql_instance(mut self, answer: MissingSqlInstance) -> Self {
        self.options.missing_sql_instance = answer;
        self
    }

    /// Sets the number of days for which the log of a project is kept, as its bucket `_Default` has it; by default
    /// 30.
    pub fn log_retention_days(mut self, days: u32) -> Self {
        self.options.log_retention_days = days;
        self
    }

    /// Sets the answer of Cloud Logging for a log bucket that does not exist; by default 404.
    pub fn missing_log_bucket(mut self, answer: MissingLogBucket) -> Self {
        self.options.missing_log_bucket = answer;
        self
    }

    /// Sets the answer of Cloud Logging to a caller who may not read private logs; by default their entries are left
    /// out.
    pub fn private_logs(mut self, answer: PrivateLogs) -> Self {
        self.options.private_logs = answer;
        self
    }

    /// Sets what the audit log's entry about the start of a job says of the execution; by default its name.
    pub fn audited_starts(mut self, say: AuditedStarts) -> Self {
        self.options.audited_starts = say;
        self
    }

    /// Refuses every call without this bearer token, or one the emulator has given out; by default
    /// no call is refused.
    pub fn require_token(mut self, token: impl Into<String>) -> Self {
        self.options.token = Some(token.into());
        self
    }

    /// Sets the lifetime of the tokens that the emulator gives out; by default an hour, as Google's.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.token_lifetime = lifetime;
        self
    }

    /// Sets the account that callers are taken for, unless they have a service account's token: it is the `creator`
    /// of the resources that they make.
    pub fn caller(mut self, email: impl Into<String>) -> Self {
        self.options.caller = email.into();
        self
    }

    /// Keeps jobs, services, executions, tasks, operations, log entries and all other resources but secrets in a
    /// file, so that they survive a restart; a crash can lose what changed in the last moment. By default nothing is
    /// kept.
    pub fn state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_file = Some(path.into());
        self
    }

    /// Starts the emulator on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// Fails if the state file cannot be read, or if the address cannot be listened on.
    pub async fn start(self) -> Result<Emulator, Error> {
        let saved = match &self.state_file {
            Some(path) => {
                state_file::load(path).map_err(|source| Error::StateFile { path: path.clone(), source })?
            }
            None => Saved::default(),
        };
        let listen = |source| Error::Listen { address: self.address, source };
        let listener = TcpListener::bind(self.address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let guard = Guard::new(address, self.hosts);
        let cloud = Arc::new(Cloud::new(guard, self.options, self.runner, saved));
        let server = tokio::spawn(server::serve(Arc::clone(&cloud), listener));
        let writer =
            self.state_file.map(|path| tokio::spawn(state_file::write_changes(Arc::clone(&cloud), path)));
        Ok(Emulator::new(cloud, address, server, writer))
    }
}
