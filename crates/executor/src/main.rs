//! Runs one Quill admin task in one database transaction, inside the container.

/// A mark that identifies this executor in the program's file. The build of a quill-admin that carries it
/// looks for the mark without running the program, which may be for another machine.
static MARK: &str =
    concat!("quill-admin-executor ", env!("CARGO_PKG_VERSION"), " beside quill-admin-actions.json;");

fn main() -> std::process::ExitCode {
    // The linker would leave the mark out if nothing used it.
    std::hint::black_box(MARK);
    let actions = include_bytes!(concat!(env!("OUT_DIR"), "/actions.json"));
    quill_admin_executor::main_of_an_image(actions, std::env::args_os().skip(1))
}
