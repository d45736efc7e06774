//! Runs one Quill admin task in one database transaction, inside the container.

fn main() -> std::process::ExitCode {
    let actions = include_bytes!(concat!(env!("OUT_DIR"), "/actions.json"));
    quill_admin_executor::main_from_env(actions, std::env::args_os().skip(1))
}
