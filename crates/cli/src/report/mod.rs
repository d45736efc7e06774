//! The only code that writes to the terminal. Each result has a file, which holds its text, its JSON
//! document, and the method of [`Reporter`] that shows it.
//!
//! Results go to stdout; everything before them (progress, the container's log, warnings, errors) goes to
//! stderr. With `--json` stdout is one document, whatever happens. All of it is written by `stream`, which
//! makes texts of others safe for a terminal, and remembers what could not be written.
//!
//! **To add a result:** its file here, with its `mod` line and, where a command makes the report, its
//! `pub use`.

mod actions;
mod backend;
mod build;
mod cases;
mod deployed_actions;
mod doctor;
mod document;
mod each;
mod each_results;
mod each_rows;
mod ending;
mod environments;
mod field;
mod folded;
mod help;
mod history;
mod history_page;
mod history_table;
mod history_unread;
mod lines;
#[cfg(feature = "local")]
mod local;
mod output;
mod page;
mod paint;
mod record_key;
mod reporter;
mod review;
mod review_table;
mod rows;
mod sign_in;
mod spinner;
mod stream;
mod style;
mod subject;
pub(crate) mod symbols;
mod task;
mod task_plan;

pub use actions::{Checked, Tried};
pub use backend::RestoreReport;
pub use build::BuildReport;
pub use cases::{Tested, TestedCase};
pub use deployed_actions::DeployedActions;
pub use doctor::Diagnosis;
pub use each::{EachPlan, GOES_ON, leaves_nobody_in};
pub use each_results::EachResults;
pub use each_rows::EachReport;
pub use history_page::{MARK, page};
pub use output::{clap, colours, end};
pub use reporter::Reporter;
pub use review::ReviewReport;
pub use sign_in::WhoamiReport;
pub use style::Style;
pub use task::TaskReport;
pub use task_plan::TaskPlan;
