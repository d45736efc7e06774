//! Faults of every request: a task is run once or not at all, and what is reported is true.
//!
//! Faults are chosen by a seed, so that a failing run can be repeated: `QUILL_ADMIN_TEST_SEED` sets one.
//! `cargo xtask test` chooses one each time, prints it, and runs a tenth of the storm; with `--full`, and in
//! CI, the whole storm runs with the same seed every time.

mod connections;
mod fixture;
mod matrix;
mod storm;

/// Number of runs of the storm, unless `QUILL_ADMIN_TEST_STORM` sets another one.
const STORM: usize = 1000;

fn storm() -> usize {
    std::env::var("QUILL_ADMIN_TEST_STORM").ok().and_then(|text| text.parse().ok()).unwrap_or(STORM)
}

/// The seed of all random choices.
fn seed() -> u64 {
    std::env::var("QUILL_ADMIN_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(2026)
}
