//! The folder `application/` of this repository, compiled in: it is used where no other folder is named.

/// Its `actions.yaml`.
pub const ACTIONS: &str = include_str!("../../../application/actions.yaml");

/// Its `schema.sql`.
pub const SCHEMA: &str = include_str!("../../../application/schema.sql");

/// Its `seed.sql`.
pub const SEED: &str = include_str!("../../../application/seed.sql");
