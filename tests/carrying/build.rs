//! Packs the executor that tests have this program carry; `cargo xtask test` builds it. If there is none, the
//! program carries none.

#[path = "../../crates/operations/carry.rs"]
mod carry;

use std::path::Path;

fn main() {
    for script in ["build.rs", "../../crates/operations/carry.rs"] {
        carry::watch(Path::new(script));
    }
    carry::carry(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), "QUILL_ADMIN_TEST_EXECUTOR");
}
