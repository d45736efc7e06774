//! The predefined roles that give the permissions which a caller needs, by their full names.
//!
//! Source: "IAM basic and predefined roles reference" of Google Cloud.
//!
//! To add a role: its constant here, and the permissions that it gives in `permissions.rs`.

/// Reads the data of a project and its policy.
pub const BROWSER: &str = "roles/browser";
/// Reads which services of Google Cloud are enabled.
pub const SERVICES_VIEWER: &str = "roles/serviceusage.serviceUsageViewer";
/// Reads jobs, executions, services and revisions of Cloud Run.
pub const RUN_VIEWER: &str = "roles/run.viewer";
/// Runs jobs with overridden variables, and cancels executions.
pub const RUN_EXECUTOR: &str = "roles/run.jobsExecutorWithOverrides";
/// Makes and changes jobs and services of Cloud Run, and deletes executions.
pub const RUN_DEVELOPER: &str = "roles/run.developer";
/// Reads logs.
pub const LOG_VIEWER: &str = "roles/logging.viewer";
/// Reads the views of log buckets; on one view alone, with a condition.
pub const VIEW_ACCESSOR: &str = "roles/logging.viewAccessor";
/// Writes into log buckets: what the account of a sink from another project needs.
pub const BUCKET_WRITER: &str = "roles/logging.bucketWriter";
/// Reads instances of Cloud SQL.
pub const SQL_VIEWER: &str = "roles/cloudsql.viewer";
/// Reads the metadata of secrets, and not their values.
pub const SECRETS_VIEWER: &str = "roles/secretmanager.viewer";
/// Reads the values of secrets: what the job's account needs.
pub const SECRET_READER: &str = "roles/secretmanager.secretAccessor";
/// Adds versions to secrets, and reads none.
pub const SECRET_VERSION_ADDER: &str = "roles/secretmanager.secretVersionAdder";
/// Pulls images.
pub const REGISTRY_READER: &str = "roles/artifactregistry.reader";
/// Pushes images.
pub const REGISTRY_WRITER: &str = "roles/artifactregistry.writer";
/// Deploys jobs and services that run as a service account.
pub const ACCOUNT_USER: &str = "roles/iam.serviceAccountUser";
/// Acts as a service account.
pub const TOKEN_CREATOR: &str = "roles/iam.serviceAccountTokenCreator";
/// Reads objects of a bucket.
pub const STORAGE_VIEWER: &str = "roles/storage.objectViewer";
/// Reads and deletes objects of a bucket.
pub const STORAGE_USER: &str = "roles/storage.objectUser";
