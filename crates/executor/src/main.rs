//! Runs one Quill admin task in one database transaction, inside the container.

fn main() -> std::process::ExitCode {
    quill_admin_executor::main_from_env(include_bytes!(concat!(env!("OUT_DIR"), "/actions.json")))
}
