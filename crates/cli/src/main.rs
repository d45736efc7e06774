//! The program `quill-admin`. Everything is in the library, where tests and tools can reach it, except the
//! executor that the program may carry.

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

/// Wipes all memory when it is freed. The types of this program wipe the secrets that they hold, but
/// libraries make copies: zxcvbn turns a password into lower case and reverses it.
#[global_allocator]
static WIPED: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> std::process::ExitCode {
    quill_admin::main(quill_admin::carried!())
}
