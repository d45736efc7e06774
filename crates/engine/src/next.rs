//! What a person may want to do next.

use std::collections::BTreeMap;

/// An action with values, to be run by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The action.
    pub action: String,
    /// Values of its parameters, in the form in which they travel; of several, one on each line. Those that are
    /// not here are asked for.
    pub with: BTreeMap<String, String>,
}
