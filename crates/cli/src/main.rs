//! The program `quill-admin`. Everything is in the library, where tests and tools can reach it, but for the executor that
//! the program may carry.

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

/// Wipes every piece of memory when it is freed. The types of this program wipe the secrets that they hold,
/// but libraries copy what they are given: zxcvbn makes a password's letters small and turns them around.
#[global_allocator]
static WIPED: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> std::process::ExitCode {
    quill_admin::main(quill_admin::carried!())
}
