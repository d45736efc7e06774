//! The program `quill-admin`. Everything is in the library, where tests and tools can reach it.

fn main() -> std::process::ExitCode {
    quill_admin::main()
}
