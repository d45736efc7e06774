//! The names by which this program is the local environment's container.

/// The argument with which this program is started again as the local environment's container.
pub const EXECUTOR_ARGUMENT: &str = "__executor";

/// Stands for the digest of an image that nobody builds: this program itself is the container.
pub const OWN_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
