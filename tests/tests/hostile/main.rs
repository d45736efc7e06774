//! A hostile world: whatever happens to whichever request, a task is done once or not at all, and what
//! is reported is true.
//!
//! What goes wrong is drawn from a seed, so that a run that fails can be repeated:
//! `QUILL_ADMIN_TEST_SEED` sets another one. `cargo xtask test` draws one each time, says it, and runs a tenth of the
//! storm; with `--full`, and in CI, the whole storm runs from the same seed every time.

mod connections;
mod matrix;
mod scene;
mod storm;

/// How many runs the storm has, where `QUILL_ADMIN_TEST_STORM` does not say.
const STORM: usize = 1000;

fn storm() -> usize {
    std::env::var("QUILL_ADMIN_TEST_STORM").ok().and_then(|text| text.parse().ok()).unwrap_or(STORM)
}

/// The seed of all that is drawn.
fn seed() -> u64 {
    std::env::var("QUILL_ADMIN_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(2026)
}
