//! Warns of a new name that looks like an existing one: [`quill_admin_contract::look`].

use quill_admin_contract::look::{Likeness, Look, spelled_out};

use crate::error::Error;
use crate::performed::Warning;
use crate::send::Sender;
use quill_admin_actions::Statement;

/// The code of the warning.
const CODE: &str = "look_alike";

/// Number of look-alikes that the warning names.
const NAMED: usize = 3;

/// The warning that a new name of this kind looks like existing ones. Names that another transaction makes at
/// the same moment and has not committed are not seen.
pub(crate) async fn look(
    sender: &Sender<'_>,
    others: &Statement,
    kind: &str,
    new: &str,
) -> Result<Option<Warning>, Error> {
    let own = Look::of(new);
    let mut found = Vec::new();
    sender
        .each(others, |row| {
            let other: String = row.try_get(0)?;
            if let Some(likeness) = own.likeness(&Look::of(&other)) {
                found.push((other, likeness));
            }
            Ok(())
        })
        .await?;
    found.sort_unstable();
    Ok(words(kind, new, &found).map(|message| Warning { code: CODE.to_owned(), message, next: None }))
}

fn words(kind: &str, new: &str, found: &[(String, Likeness)]) -> Option<String> {
    let new = spelled_out(new);
    match found {
        [] => None,
        [(other, likeness)] => {
            let other = spelled_out(other);
            Some(format!("the new name {new} looks like another {kind}'s, {other}: {likeness}"))
        }
        many => {
            let names: Vec<String> = many.iter().take(NAMED).map(|(name, _)| spelled_out(name)).collect();
            let more = many.len() - names.len();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let names = names.join(", ");
            Some(format!("the new name {new} looks like those of other {kind}s: {names}{more}"))
        }
    }
}
