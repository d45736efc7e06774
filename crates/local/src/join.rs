//! The environment for one command among several: it waits for its turn, or uses the environment that another
//! process serves.
//!
//! To change how long a command waits, and for whom: `join`, and `Waits` for what a person is told.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::cloud::get;
use crate::state::{State, holder_of, served_tables};
use crate::{Holder, Local, LocalError, LocalOptions, Stage, Task, loopback};

/// The interval at which a command that waits tries again. The system has no lock that can be waited for without a
/// thread that nothing can stop.
const AGAIN: Duration = Duration::from_millis(100);

/// The number of times that an emulator that is served may refuse a connection: it ends a moment after its last
/// answer.
const ENDING: u32 = 50;

/// Time limit for the answer of an emulator that is served, which takes milliseconds.
const ANSWER: Duration = Duration::from_secs(5);

/// An environment that a command can use.
#[derive(Debug)]
pub enum Joined {
    /// This process runs it.
    Own(Box<Local>),
    /// Another process serves it.
    Served(Served),
}

/// An environment that another process serves.
#[derive(Debug, Clone)]
pub struct Served {
    directory: PathBuf,
    address: SocketAddr,
    holder: Holder,
}

impl Served {
    /// The address of the emulator: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Checks that the same process still serves it. Another one may listen at the address once that process has
    /// ended, so this comes directly before anything that is not for others, such as the hash of a password.
    ///
    /// # Errors
    ///
    /// Fails if it does not, or if that cannot be known.
    pub fn check(&self) -> Result<(), LocalError> {
        match holder_of(&self.directory)? {
            Some(holder) if holder == self.holder => Ok(()),
            _ => Err(LocalError::Ended { directory: self.directory.clone() }),
        }
    }
}

impl Local {
    /// Starts the environment as [`Local::start`] does, and waits as long as another process uses it: `on_wait`
    /// is called once for each of those. An environment that another process serves is used as it is.
    ///
    /// The waiting ends when the future is dropped.
    ///
    /// # Errors
    ///
    /// Fails if the environment does not start, and if it is served with other settings.
    pub fn join(
        options: LocalOptions,
        on_progress: impl Fn(Stage) + Send + 'static,
        on_wait: impl Fn(&Holder) + Send + 'static,
    ) -> Task<'static, Result<Joined, LocalError>> {
        Box::pin(join(options, true, Box::new(on_progress), Box::new(on_wait)))
    }

    /// Starts the environment and waits as [`Local::join`] does, for a command that has to run it by itself.
    ///
    /// # Errors
    ///
    /// Fails if the environment does not start, and while another process serves it.
    pub fn start_in_turn(
        options: LocalOptions,
        on_progress: impl Fn(Stage) + Send + 'static,
        on_wait: impl Fn(&Holder) + Send + 'static,
    ) -> Task<'static, Result<Joined, LocalError>> {
        Box::pin(join(options, false, Box::new(on_progress), Box::new(on_wait)))
    }
}

async fn join(
    options: LocalOptions,
    share: bool,
    on_progress: Box<dyn Fn(Stage) + Send>,
    on_wait: Box<dyn Fn(&Holder) + Send>,
) -> Result<Joined, LocalError> {
    loopback::check().await?;
    let directory = options.state_dir.clone();
    let mut waits = Waits::default();
    let mut serving = None;
    let mut refused = 0;
    loop {
        let holder = match State::hold(&directory, &options.command) {
            Ok(state) => {
                let local = Local::bring_up_in(state, options, on_progress).await?;
                return Ok(Joined::Own(Box::new(local)));
            }
            Err(LocalError::InUse { holder, .. }) => holder,
            Err(other) => return Err(other),
        };
        if let Some((address, digest)) = holder.serves() {
            if !share {
                return Err(LocalError::InUse { directory, holder });
            }
            if digest != options.digest() {
                return Err(served_tables(&directory, &options.tables)
                    .err()
                    .unwrap_or(LocalError::ServedOtherwise { directory, holder }));
            }
            // A process that has just taken the lock may not have removed an older note yet.
            if serving.as_ref() == Some(&holder) {
                match answers(address, &directory, &holder).await {
                    Ok(()) => return Ok(Joined::Served(Served { directory, address, holder })),
                    // It is about to end.
                    Err(LocalError::Silent { source, .. })
                        if source.kind() == io::ErrorKind::ConnectionRefused && refused < ENDING =>
                    {
                        refused += 1;
                    }
                    Err(other) => return Err(other),
                }
            }
            serving = Some(holder);
        } else if waits.is_another(&holder) {
            on_wait(&holder);
        }
        sleep(AGAIN).await;
    }
}

/// Removes everything that an environment has kept, as [`reset`](crate::reset) does, and waits as long as
/// another command uses it: `on_wait` is called once for each of those, and `on_begin` as there.
///
/// # Errors
///
/// Fails while the environment is served, and as [`reset`](crate::reset) does.
pub fn reset_in_turn<'a>(
    directory: &Path,
    on_wait: impl Fn(&Holder) + Send + 'a,
    on_begin: impl Fn(Option<u64>) + Send + 'a,
) -> Task<'a, Result<bool, LocalError>> {
    let directory = directory.to_owned();
    Box::pin(async move {
        let mut waits = Waits::default();
        loop {
            match crate::reset(&directory, &on_begin) {
                Err(LocalError::InUse { holder, .. }) if !holder.is_serving() => {
                    if waits.is_another(&holder) {
                        on_wait(&holder);
                    }
                }
                done => return done,
            }
            sleep(AGAIN).await;
        }
    })
}

/// The process that is being waited for.
#[derive(Default)]
struct Waits {
    tries: u32,
    process: Option<u32>,
}

impl Waits {
    /// Whether a person has to be told about another process. One that has just begun is given a moment to
    /// write its note.
    fn is_another(&mut self, holder: &Holder) -> bool {
        self.tries += 1;
        if holder.process.is_some() {
            let known = std::mem::replace(&mut self.process, holder.process);
            return known != holder.process;
        }
        // Another program holds the lock, or a version that writes no note.
        self.tries == 10 && self.process.is_none()
    }
}

/// Checks that the emulator answers: a process that is stopped (Ctrl-Z) still holds the lock.
async fn answers(address: SocketAddr, directory: &Path, holder: &Holder) -> Result<(), LocalError> {
    let asked =
        timeout(ANSWER, get(address, "/")).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    // Any answer will do.
    asked.map(drop).map_err(|source| LocalError::Silent {
        directory: directory.to_owned(),
        holder: holder.clone(),
        source,
    })
}
