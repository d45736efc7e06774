//! This program as the local environment's container.

/// The argument with which this program is started again as the local environment's container.
pub const EXECUTOR_ARGUMENT: &str = "__executor";

/// Stands in for the digest of an image nobody builds: this very program is the container.
pub const OWN_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
