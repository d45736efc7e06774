//! Does one declared action in a transaction that somebody else began.
//!
//! What an action does is data ([`quill_admin_actions::Definition`]); here is what that means. The caller has the
//! connection, begins the transaction, and ends it: COMMIT where [`Performed::writes`], ROLLBACK otherwise. Nothing
//! here begins, commits or rolls back, so that all of it can be run again where another transaction was in the way.
//!
//! 1. [`Work::start`] makes the settings of the transaction that statements rely on;
//! 2. [`Work::layout`] reads which tables and columns there are, and refuses where one is missing;
//! 3. [`Work::perform`] does the action, and tells what is different now.
//!
//! To read it from top to bottom: `perform.rs` has the order in which things are done; `conditions.rs` what
//! is refused before anything is done, `steps.rs` the steps; `difference.rs` what changed; `say.rs`, `message.rs` and
//! `call.rs` the words. Below them are `state.rs`, `send.rs` and `value.rs`: how statements are sent and rows read.
//!
//! Values are bound, always. A value reaches a message only through a text that names it, and a password not even
//! so.

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
