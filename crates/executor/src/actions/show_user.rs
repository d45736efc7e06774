//! show-user: shows a user; changes nothing.

use quill_admin_contract::{Outcome, Username};

use super::{Work, user};
use crate::failure::ActionError;

pub(super) async fn perform(work: &Work<'_>, username: &Username) -> Result<Outcome, ActionError> {
    let user = user::read(work, username).await?.ok_or_else(|| user::not_found(username))?;
    let warnings = user::warnings(&user);
    Ok(Outcome::Found { subject: user.into(), warnings })
}
