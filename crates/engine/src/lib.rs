//! Runs one declared action in a transaction that the caller has begun.
//!
//! An action is data ([`quill_admin_actions::Definition`]); this crate carries it out. The caller has the
//! connection, begins the transaction, and ends it: COMMIT where [`Performed::writes`], ROLLBACK otherwise.
//! Nothing here begins, commits or rolls back, so that an action can be run again where another transaction
//! interfered.
//!
//! 1. [`Work::start`] makes the settings of the transaction that statements rely on;
//! 2. [`Work::layout`] reads which tables and columns there are, and fails where one is missing;
//! 3. [`Work::perform`] runs the action, and returns its outcome and its changes.
//!
//! To read it from top to bottom: `perform.rs` has the order of an action; `conditions.rs` its checks, `steps.rs` its
//! steps; `difference.rs` its changes; `plan.rs` the plan that a preview tells; `say.rs`, `message.rs` and `call.rs`
//! the texts. Below them are `state.rs`, `send.rs` and `value.rs`, which send statements and read rows.
//!
//! To add a kind of step: `step.rs` of the crate `actions`, `steps.rs` of the crate `application`, and
//! `steps.rs` here.
//!
//! Values are always bound. A value gets into a message only through a text that names it, and a password not
//! even then.

mod bind;
mod call;
mod conditions;
mod difference;
mod error;
mod layout;
mod look_alikes;
mod message;
mod next;
mod perform;
mod performed;
mod plan;
mod say;
mod send;
mod state;
mod steps;
mod value;
mod work;

pub use bind::sql_type;
pub use error::{Error, Failed};
pub use layout::Layout;
pub use next::Next;
pub use performed::{Change, Effect, Fields, Listed, Performed, SubjectStates, Undo, Warning};
pub use value::{Value, is_readable};
pub use work::Work;
