//! The checks, one in each file, with their fixes.
//!
//! To add a check: its file, its line here and in `catalogue.rs`, and its section in
//! `docs/troubleshooting.md`.

pub(super) mod admin_image;
pub(super) mod apis;
pub(super) mod audit_logging;
pub(super) mod backend_image;
pub(super) mod backend_startup;
pub(super) mod database;
pub(super) mod database_check;
pub(super) mod job;
pub(super) mod job_image;
pub(super) mod job_secrets;
pub(super) mod job_settings;
pub(super) mod leaks;
pub(super) mod machine_config;
pub(super) mod machine_contract;
pub(super) mod machine_docker;
pub(super) mod machine_gcloud;
pub(super) mod machine_sign_in;
pub(super) mod other_tools;
pub(super) mod permissions;
pub(super) mod project;
pub(super) mod record_key;
pub(super) mod records;
pub(super) mod repository;
pub(super) mod state_lock;
