//! The version of the compiled form.

/// The format of the JSON that is written and read here. It is raised only if the meaning of known keys
/// changes, and it is part of every digest.
pub const FORMAT: u32 = 1;
