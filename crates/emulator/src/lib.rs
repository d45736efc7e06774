//! A local stand-in for the parts of Google Cloud that run Cloud Run jobs: Cloud Run v2 (jobs,
//! executions, tasks, operations, services, revisions), reading and tailing Cloud Logging, and what
//! describes a job's surroundings: Cloud SQL instances, Artifact Registry's images, secrets,
//! projects, permissions, enabled services, objects of Cloud Storage.
//!
//! ```no_run
//! # async fn example() -> Result<(), cloud_emulator::Error> {
//! use cloud_emulator::{Emulator, ImageProgram, ProcessRunner, Runner};
//!
//! let runner = ProcessRunner::new().image("hello", ImageProgram::new("/bin/echo").arg("hello"));
//! let emulator = Emulator::builder().runner(Runner::Process(runner)).start().await?;
//! emulator.put_job(
//!     "projects/p/locations/europe-west2/jobs/hello",
//!     serde_json::json!({"template": {"template": {"containers": [{"image": "hello"}]}}}),
//! )?;
//! // Official clients reach it with `.with_endpoint(emulator.url())`.
//! emulator.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The README beside this crate lists what is emulated, and the control API under `/emulator/`.

mod api;
mod api_error;
mod audit;
mod builder;
mod calls;
mod clock;
mod cloud;
mod control;
mod deployment;
mod emulator;
mod error;
mod execution;
mod faults;
mod filter;
mod guard;
mod http;
mod job;
mod log_message;
mod logs;
mod names;
mod objects;
mod options;
mod outcome;
mod project;
mod protocol;
mod resource;
mod runner;
mod schema;
mod script;
mod secrets;
mod seed;
mod server;
mod sessions;
mod state_file;
mod stop;
mod store;
mod tail;
mod tokens;

pub use builder::Builder;
pub use calls::RecordedCall;
pub use emulator::Emulator;
pub use error::Error;
pub use faults::{Fault, FaultAction};
pub use options::{AuditedStarts, CancelledRun, MissingLogBucket, MissingSqlInstance, PrivateLogs};
pub use outcome::ServiceOutcome;
#[cfg(feature = "docker")]
pub use runner::DockerRunner;
pub use runner::{ImageProgram, ProcessRunner, Runner};
pub use script::{Script, Step};
pub use secrets::SecretVersionState;
