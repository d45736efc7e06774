//! A next action that is suggested to a person.

use std::collections::BTreeMap;

/// An action with values, to be run by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The name of the action.
    pub action: String,
    /// The values of its parameters, in the form in which they travel; several values have one line each.
    /// Parameters without a value are asked for.
    pub with: BTreeMap<String, String>,
}
