//! A hostile world: whatever happens to whichever request, a task is done once or not at all, and what
//! is reported is true.
//!
//! What goes wrong is drawn from a seed, so that a run that fails can be repeated:
//! `QUILL_ADMIN_TEST_SEED` sets another one.

mod connections;
mod matrix;
mod scene;
mod storm;

/// The seed of all that is drawn.
fn seed() -> u64 {
    std::env::var("QUILL_ADMIN_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(2026)
}
