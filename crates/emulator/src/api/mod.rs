//! The emulated methods, and the table that leads to them.
//!
//! To add a method: a line in [`METHODS`], its function, its line in the README.

mod artifacts;
mod enabled;
mod executions;
mod iam;
mod jobs;
mod logging;
mod operations;
mod secrets;
mod services;
mod sql;
mod storage;
mod tasks;

use std::sync::Arc;

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::Cloud;
use crate::error::{ApiError, Violation};
use crate::schema::{self, Fields};

pub(crate) use enabled::check_logging as check_logging_enabled;
pub(crate) use iam::check_logging;
pub(crate) use jobs::complete as complete_job;
pub(crate) use logging::projects as logged_projects;
pub(crate) use operations::typed;
pub(crate) use storage::{CONTENT_TYPE, is_storage, not_let_in};

/// A method of Google Cloud.
pub(crate) struct Method {
    /// `google.cloud.run.v2.Jobs.RunJob`.
    pub(crate) name: &'static str,
    pub(crate) verb: &'static str,
    /// `*` stands for one part of the path.
    pub(crate) path: &'static str,
    /// The query parameters it takes, besides those every method takes.
    query: &'static [&'static str],
    /// None: known, and not emulated.
    pub(crate) emulated: Option<Emulated>,
}

#[derive(Clone, Copy)]
pub(crate) enum Emulated {
    GetJob,
    ListJobs,
    CreateJob,
    UpdateJob,
    DeleteJob,
    RunJob,
    GetExecution,
    ListExecutions,
    DeleteExecution,
    CancelExecution,
    GetTask,
    ListTasks,
    GetOperation,
    ListOperations,
    WaitOperation,
    GetService,
    ListServices,
    UpdateService,
    GetRevision,
    ListRevisions,
    ListLogEntries,
    TailLogEntries,
    GetSqlInstance,
    GetRepository,
    ListDockerImages,
    GetDockerImage,
    GetSecret,
    GetSecretVersion,
    TestJobPermissions,
    TestServicePermissions,
    TestProjectPermissions,
    TestBucketPermissions,
    GetProject,
    GetProjectPolicy,
    GetEnabled,
    BatchGetEnabled,
    GetObject,
    DeleteObject,
    GenerateAccessToken,
    RefreshToken,
    UserInfo,
}

const PAGE: &[&str] = &["pageSize", "pageToken", "showDeleted"];
const CONDITIONAL: &[&str] = &["validateOnly", "etag"];
const OBJECT: &[&str] = &[
    "generation",
    "ifGenerationMatch",
    "ifGenerationNotMatch",
    "ifMetagenerationMatch",
    "ifMetagenerationNotMatch",
    "projection",
    "userProject",
];

const fn method(
    name: &'static str,
    verb: &'static str,
    path: &'static str,
    query: &'static [&'static str],
    emulated: Emulated,
) -> Method {
    Method { name, verb, path, query, emulated: Some(emulated) }
}

const fn missing(name: &'static str, verb: &'static str, path: &'static str) -> Method {
    Method { name, verb, path, query: &[], emulated: None }
}

/// Everything the emulator knows the name of.
#[rustfmt::skip]
pub(crate) const METHODS: &[Method] = &[
    method("google.cloud.run.v2.Jobs.GetJob", "GET", "/v2/projects/*/locations/*/jobs/*", &[], Emulated::GetJob),
    method("google.cloud.run.v2.Jobs.ListJobs", "GET", "/v2/projects/*/locations/*/jobs", PAGE, Emulated::ListJobs),
    method("google.cloud.run.v2.Jobs.CreateJob", "POST", "/v2/projects/*/locations/*/jobs", &["jobId", "validateOnly"], Emulated::CreateJob),
    method("google.cloud.run.v2.Jobs.UpdateJob", "PATCH", "/v2/projects/*/locations/*/jobs/*", &["validateOnly", "allowMissing"], Emulated::UpdateJob),
    method("google.cloud.run.v2.Jobs.DeleteJob", "DELETE", "/v2/projects/*/locations/*/jobs/*", CONDITIONAL, Emulated::DeleteJob),
    method("google.cloud.run.v2.Jobs.RunJob", "POST", "/v2/projects/*/locations/*/jobs/*:run", &[], Emulated::RunJob),
    missing("google.cloud.run.v2.Jobs.GetIamPolicy", "GET", "/v2/projects/*/locations/*/jobs/*:getIamPolicy"),
    missing("google.cloud.run.v2.Jobs.SetIamPolicy", "POST", "/v2/projects/*/locations/*/jobs/*:setIamPolicy"),
    method("google.cloud.run.v2.Jobs.TestIamPermissions", "POST", "/v2/projects/*/locations/*/jobs/*:testIamPermissions", &[], Emulated::TestJobPermissions),
    method("google.cloud.run.v2.Executions.GetExecution", "GET", "/v2/projects/*/locations/*/jobs/*/executions/*", &[], Emulated::GetExecution),
    method("google.cloud.run.v2.Executions.ListExecutions", "GET", "/v2/projects/*/locations/*/jobs/*/executions", PAGE, Emulated::ListExecutions),
    method("google.cloud.run.v2.Executions.DeleteExecution", "DELETE", "/v2/projects/*/locations/*/jobs/*/executions/*", CONDITIONAL, Emulated::DeleteExecution),
    method("google.cloud.run.v2.Executions.CancelExecution", "POST", "/v2/projects/*/locations/*/jobs/*/executions/*:cancel", &[], Emulated::CancelExecution),
    method("google.cloud.run.v2.Tasks.GetTask", "GET", "/v2/projects/*/locations/*/jobs/*/executions/*/tasks/*", &[], Emulated::GetTask),
    method("google.cloud.run.v2.Tasks.ListTasks", "GET", "/v2/projects/*/locations/*/jobs/*/executions/*/tasks", PAGE, Emulated::ListTasks),
    method("google.cloud.run.v2.Services.GetService", "GET", "/v2/projects/*/locations/*/services/*", &[], Emulated::GetService),
    method("google.cloud.run.v2.Services.ListServices", "GET", "/v2/projects/*/locations/*/services", PAGE, Emulated::ListServices),
    method("google.cloud.run.v2.Services.UpdateService", "PATCH", "/v2/projects/*/locations/*/services/*", &["updateMask", "validateOnly", "allowMissing", "forceNewRevision"], Emulated::UpdateService),
    missing("google.cloud.run.v2.Services.CreateService", "POST", "/v2/projects/*/locations/*/services"),
    missing("google.cloud.run.v2.Services.DeleteService", "DELETE", "/v2/projects/*/locations/*/services/*"),
    missing("google.cloud.run.v2.Services.GetIamPolicy", "GET", "/v2/projects/*/locations/*/services/*:getIamPolicy"),
    missing("google.cloud.run.v2.Services.SetIamPolicy", "POST", "/v2/projects/*/locations/*/services/*:setIamPolicy"),
    method("google.cloud.run.v2.Services.TestIamPermissions", "POST", "/v2/projects/*/locations/*/services/*:testIamPermissions", &[], Emulated::TestServicePermissions),
    method("google.cloud.run.v2.Revisions.GetRevision", "GET", "/v2/projects/*/locations/*/services/*/revisions/*", &[], Emulated::GetRevision),
    method("google.cloud.run.v2.Revisions.ListRevisions", "GET", "/v2/projects/*/locations/*/services/*/revisions", PAGE, Emulated::ListRevisions),
    missing("google.cloud.run.v2.Revisions.DeleteRevision", "DELETE", "/v2/projects/*/locations/*/services/*/revisions/*"),
    missing("google.cloud.run.v2.Builds.SubmitBuild", "POST", "/v2/projects/*/locations/*/builds:submit"),
    missing("google.cloud.run.v2.WorkerPools.ListWorkerPools", "GET", "/v2/projects/*/locations/*/workerPools"),
    missing("google.cloud.run.v2.WorkerPools.GetWorkerPool", "GET", "/v2/projects/*/locations/*/workerPools/*"),
    method("google.longrunning.Operations.GetOperation", "GET", "/v2/projects/*/locations/*/operations/*", &[], Emulated::GetOperation),
    method("google.longrunning.Operations.ListOperations", "GET", "/v2/projects/*/locations/*/operations", &["filter", "pageSize", "pageToken", "returnPartialSuccess"], Emulated::ListOperations),
    method("google.longrunning.Operations.WaitOperation", "POST", "/v2/projects/*/locations/*/operations/*:wait", &[], Emulated::WaitOperation),
    missing("google.longrunning.Operations.DeleteOperation", "DELETE", "/v2/projects/*/locations/*/operations/*"),
    method("google.logging.v2.LoggingServiceV2.ListLogEntries", "POST", "/v2/entries:list", &[], Emulated::ListLogEntries),
    missing("google.logging.v2.LoggingServiceV2.WriteLogEntries", "POST", "/v2/entries:write"),
    missing("google.logging.v2.LoggingServiceV2.TailLogEntries", "POST", "/v2/entries:tail"),
    method("google.logging.v2.LoggingServiceV2.TailLogEntries", "POST", "/google.logging.v2.LoggingServiceV2/TailLogEntries", &[], Emulated::TailLogEntries),
    missing("google.logging.v2.LoggingServiceV2.ListLogs", "GET", "/v2/projects/*/logs"),
    missing("google.logging.v2.LoggingServiceV2.DeleteLog", "DELETE", "/v2/projects/*/logs/*"),
    method("google.cloud.sql.v1.SqlInstancesService.Get", "GET", "/v1/projects/*/instances/*", &["location"], Emulated::GetSqlInstance),
    missing("google.cloud.sql.v1.SqlInstancesService.List", "GET", "/v1/projects/*/instances"),
    missing("google.cloud.sql.v1.SqlInstancesService.Insert", "POST", "/v1/projects/*/instances"),
    missing("google.cloud.sql.v1.SqlInstancesService.Patch", "PATCH", "/v1/projects/*/instances/*"),
    missing("google.cloud.sql.v1.SqlInstancesService.Update", "PUT", "/v1/projects/*/instances/*"),
    missing("google.cloud.sql.v1.SqlInstancesService.Delete", "DELETE", "/v1/projects/*/instances/*"),
    missing("google.cloud.sql.v1.SqlInstancesService.Restart", "POST", "/v1/projects/*/instances/*/restart"),
    missing("google.cloud.sql.v1.SqlConnectService.GetConnectSettings", "GET", "/v1/projects/*/instances/*/connectSettings"),
    missing("google.cloud.sql.v1.SqlDatabasesService.List", "GET", "/v1/projects/*/instances/*/databases"),
    missing("google.cloud.sql.v1.SqlUsersService.List", "GET", "/v1/projects/*/instances/*/users"),
    missing("google.cloud.sql.v1.SqlOperationsService.Get", "GET", "/v1/projects/*/operations/*"),
    method("google.devtools.artifactregistry.v1.ArtifactRegistry.GetRepository", "GET", "/v1/projects/*/locations/*/repositories/*", &[], Emulated::GetRepository),
    missing("google.devtools.artifactregistry.v1.ArtifactRegistry.ListRepositories", "GET", "/v1/projects/*/locations/*/repositories"),
    missing("google.devtools.artifactregistry.v1.ArtifactRegistry.CreateRepository", "POST", "/v1/projects/*/locations/*/repositories"),
    missing("google.devtools.artifactregistry.v1.ArtifactRegistry.UpdateRepository", "PATCH", "/v1/projects/*/locations/*/repositories/*"),
    missing("google.devtools.artifactregistry.v1.ArtifactRegistry.DeleteRepository", "DELETE", "/v1/projects/*/locations/*/repositories/*"),
    method("google.devtools.artifactregistry.v1.ArtifactRegistry.ListDockerImages", "GET", "/v1/projects/*/locations/*/repositories/*/dockerImages", &["pageSize", "pageToken", "orderBy"], Emulated::ListDockerImages),
    method("google.devtools.artifactregistry.v1.ArtifactRegistry.GetDockerImage", "GET", "/v1/projects/*/locations/*/repositories/*/dockerImages/*", &[], Emulated::GetDockerImage),
    missing("google.devtools.artifactregistry.v1.ArtifactRegistry.ListPackages", "GET", "/v1/projects/*/locations/*/repositories/*/packages"),
    missing("google.devtools.artifactregistry.v1.ArtifactRegistry.GetPackage", "GET", "/v1/projects/*/locations/*/repositories/*/packages/*"),
    missing("google.devtools.artifactregistry.v1.ArtifactRegistry.ListVersions", "GET", "/v1/projects/*/locations/*/repositories/*/packages/*/versions"),
    missing("google.devtools.artifactregistry.v1.ArtifactRegistry.GetVersion", "GET", "/v1/projects/*/locations/*/repositories/*/packages/*/versions/*"),
    missing("google.devtools.artifactregistry.v1.ArtifactRegistry.ListTags", "GET", "/v1/projects/*/locations/*/repositories/*/packages/*/tags"),
    missing("google.devtools.artifactregistry.v1.ArtifactRegistry.GetTag", "GET", "/v1/projects/*/locations/*/repositories/*/packages/*/tags/*"),
    missing("google.devtools.artifactregistry.v1.ArtifactRegistry.TestIamPermissions", "POST", "/v1/projects/*/locations/*/repositories/*:testIamPermissions"),
    method("google.cloud.secretmanager.v1.SecretManagerService.GetSecret", "GET", "/v1/projects/*/secrets/*", &[], Emulated::GetSecret),
    method("google.cloud.secretmanager.v1.SecretManagerService.GetSecretVersion", "GET", "/v1/projects/*/secrets/*/versions/*", &[], Emulated::GetSecretVersion),
    missing("google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion", "GET", "/v1/projects/*/secrets/*/versions/*:access"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.ListSecrets", "GET", "/v1/projects/*/secrets"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.CreateSecret", "POST", "/v1/projects/*/secrets"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.UpdateSecret", "PATCH", "/v1/projects/*/secrets/*"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.DeleteSecret", "DELETE", "/v1/projects/*/secrets/*"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.AddSecretVersion", "POST", "/v1/projects/*/secrets/*:addVersion"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.ListSecretVersions", "GET", "/v1/projects/*/secrets/*/versions"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.EnableSecretVersion", "POST", "/v1/projects/*/secrets/*/versions/*:enable"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.DisableSecretVersion", "POST", "/v1/projects/*/secrets/*/versions/*:disable"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.DestroySecretVersion", "POST", "/v1/projects/*/secrets/*/versions/*:destroy"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.GetIamPolicy", "GET", "/v1/projects/*/secrets/*:getIamPolicy"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.SetIamPolicy", "POST", "/v1/projects/*/secrets/*:setIamPolicy"),
    missing("google.cloud.secretmanager.v1.SecretManagerService.TestIamPermissions", "POST", "/v1/projects/*/secrets/*:testIamPermissions"),
    method("google.cloud.resourcemanager.v3.Projects.GetProject", "GET", "/v3/projects/*", &[], Emulated::GetProject),
    method("google.cloud.resourcemanager.v3.Projects.TestIamPermissions", "POST", "/v3/projects/*:testIamPermissions", &[], Emulated::TestProjectPermissions),
    missing("google.cloud.resourcemanager.v3.Projects.ListProjects", "GET", "/v3/projects"),
    missing("google.cloud.resourcemanager.v3.Projects.SearchProjects", "GET", "/v3/projects:search"),
    method("google.cloud.resourcemanager.v3.Projects.GetIamPolicy", "POST", "/v3/projects/*:getIamPolicy", &[], Emulated::GetProjectPolicy),
    missing("google.cloud.resourcemanager.v3.Projects.SetIamPolicy", "POST", "/v3/projects/*:setIamPolicy"),
    method("google.api.serviceusage.v1.ServiceUsage.GetService", "GET", "/v1/projects/*/services/*", &[], Emulated::GetEnabled),
    method("google.api.serviceusage.v1.ServiceUsage.BatchGetServices", "GET", "/v1/projects/*/services:batchGet", &["names"], Emulated::BatchGetEnabled),
    missing("google.api.serviceusage.v1.ServiceUsage.ListServices", "GET", "/v1/projects/*/services"),
    missing("google.api.serviceusage.v1.ServiceUsage.EnableService", "POST", "/v1/projects/*/services/*:enable"),
    missing("google.api.serviceusage.v1.ServiceUsage.DisableService", "POST", "/v1/projects/*/services/*:disable"),
    missing("google.api.serviceusage.v1.ServiceUsage.BatchEnableServices", "POST", "/v1/projects/*/services:batchEnable"),
    method("storage.objects.get", "GET", "/storage/v1/b/*/o/*", OBJECT, Emulated::GetObject),
    method("storage.objects.delete", "DELETE", "/storage/v1/b/*/o/*", OBJECT, Emulated::DeleteObject),
    missing("storage.objects.list", "GET", "/storage/v1/b/*/o"),
    missing("storage.objects.insert", "POST", "/upload/storage/v1/b/*/o"),
    missing("storage.objects.update", "PUT", "/storage/v1/b/*/o/*"),
    missing("storage.objects.patch", "PATCH", "/storage/v1/b/*/o/*"),
    missing("storage.objects.get", "GET", "/download/storage/v1/b/*/o/*"),
    missing("storage.objects.compose", "POST", "/storage/v1/b/*/o/*/compose"),
    missing("storage.objects.copy", "POST", "/storage/v1/b/*/o/*/copyTo/b/*/o/*"),
    missing("storage.objects.rewrite", "POST", "/storage/v1/b/*/o/*/rewriteTo/b/*/o/*"),
    method("storage.buckets.testIamPermissions", "GET", "/storage/v1/b/*/iam/testPermissions", &["permissions", "userProject"], Emulated::TestBucketPermissions),
    missing("storage.buckets.getIamPolicy", "GET", "/storage/v1/b/*/iam"),
    missing("storage.buckets.setIamPolicy", "PUT", "/storage/v1/b/*/iam"),
    missing("storage.buckets.get", "GET", "/storage/v1/b/*"),
    missing("storage.buckets.list", "GET", "/storage/v1/b"),
    missing("storage.buckets.insert", "POST", "/storage/v1/b"),
    missing("storage.buckets.patch", "PATCH", "/storage/v1/b/*"),
    missing("storage.buckets.delete", "DELETE", "/storage/v1/b/*"),
    method("google.iam.credentials.v1.IAMCredentials.GenerateAccessToken", "POST", "/v1/projects/*/serviceAccounts/*:generateAccessToken", &[], Emulated::GenerateAccessToken),
    missing("google.iam.credentials.v1.IAMCredentials.GenerateIdToken", "POST", "/v1/projects/*/serviceAccounts/*:generateIdToken"),
    missing("google.iam.credentials.v1.IAMCredentials.SignBlob", "POST", "/v1/projects/*/serviceAccounts/*:signBlob"),
    missing("google.iam.credentials.v1.IAMCredentials.SignJwt", "POST", "/v1/projects/*/serviceAccounts/*:signJwt"),
    method("oauth2.googleapis.com/token", "POST", "/token", &[], Emulated::RefreshToken),
    method("openidconnect.googleapis.com/v1/userinfo", "GET", "/v1/userinfo", &[], Emulated::UserInfo),
];

/// The query parameters every Google API takes (`google/api/http.proto` and the guide "System
/// parameters").
const SYSTEM_PARAMETERS: &[&str] = &[
    "$alt",
    "alt",
    "$.xgafv",
    "access_token",
    "callback",
    "fields",
    "$fields",
    "key",
    "$key",
    "oauth_token",
    "prettyPrint",
    "$prettyPrint",
    "quotaUser",
    "uploadType",
    "upload_protocol",
];

/// A request, taken apart.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: &'a Bytes,
    /// Whose token it is.
    pub(crate) caller: String,
}

/// What a call is answered with.
pub(crate) enum Answer {
    Message(Reply),
    /// An object's content.
    Media(storage::Media),
    /// 204.
    Nothing,
}

/// An answer and the message it is.
pub(crate) struct Reply {
    pub(crate) message: &'static str,
    pub(crate) value: Value,
}

impl Reply {
    fn new(message: &'static str, value: Value) -> Self {
        Self { message, value }
    }
}

impl Call<'_> {
    /// Whether the caller asked for `json;enum-encoding=int`.
    pub(crate) fn enums_as_integers(&self) -> bool {
        ["$alt", "alt"]
            .iter()
            .flat_map(|name| self.parameters(name))
            .any(|alt| alt.split(';').any(|part| part == "enum-encoding=int"))
    }

    /// The resource's name: the path without the version and the custom verb.
    fn name(&self) -> &str {
        let path = ["/v1/", "/v2/", "/v3/"].iter().find_map(|version| self.path.strip_prefix(version));
        split_verb(path.unwrap_or(self.path)).0
    }

    /// The collection's parent: the path without its last part.
    fn parent(&self) -> &str {
        let name = self.name();
        name.rsplit_once('/').map_or(name, |(parent, _)| parent)
    }

    fn parameter(&self, name: &str) -> &str {
        self.parameters(name).last().unwrap_or_default()
    }

    /// The values of a parameter that can be there several times.
    fn parameters(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn flag(&self, name: &str) -> bool {
        self.parameter(name) == "true"
    }

    /// The body as a message; none is an empty message.
    fn read(&self, message: &str, at: &str) -> Result<Value, ApiError> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        let input: Value = serde_json::from_slice(self.body)
            .map_err(|error| ApiError::invalid(format!("Invalid JSON payload received. {error}")))?;
        schema::read(message, at, &input, Fields::Input)
            .map_err(|violations| ApiError::violations(&violations))
    }
}

/// Whether a path is for those who have no token yet.
pub(crate) fn is_open(method: &str, path: &str) -> bool {
    method == "POST" && path == "/token"
}

/// Carries a call out.
pub(crate) async fn dispatch(cloud: &Arc<Cloud>, call: Call<'_>) -> Result<Answer, ApiError> {
    let Some(method) =
        METHODS.iter().find(|method| method.verb == call.method && fits(method.path, call.path))
    else {
        return Err(ApiError::unimplemented(&format!("{} {}", call.method, call.path)));
    };
    let Some(emulated) = method.emulated else {
        return Err(ApiError::unimplemented(method.name));
    };
    let unknown: Vec<Violation> = call
        .query
        .iter()
        .map(|(name, _)| name)
        .filter(|name| !method.query.contains(&name.as_str()) && !SYSTEM_PARAMETERS.contains(&name.as_str()))
        .map(|name| Violation {
            field: String::new(),
            description: format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query \
                 parameter. Field '{name}' could not be found in request message."
            ),
        })
        .collect();
    if !unknown.is_empty() {
        return Err(ApiError::violations(&unknown));
    }
    enabled::check(cloud, method, &call)?;
    iam::check(cloud, emulated, &call)?;
    let reply = match emulated {
        Emulated::GetObject => return storage::get(cloud, &call),
        Emulated::DeleteObject => return storage::delete(cloud, &call),
        Emulated::GetJob => jobs::get(cloud, &call),
        Emulated::ListJobs => jobs::list(cloud, &call),
        Emulated::CreateJob => jobs::create(cloud, &call),
        Emulated::UpdateJob => jobs::update(cloud, &call),
        Emulated::DeleteJob => jobs::delete(cloud, &call),
        Emulated::RunJob => jobs::run(cloud, &call),
        Emulated::GetExecution => executions::get(cloud, &call),
        Emulated::ListExecutions => executions::list(cloud, &call),
        Emulated::DeleteExecution => executions::delete_call(cloud, &call),
        Emulated::CancelExecution => executions::cancel(cloud, &call),
        Emulated::GetTask => tasks::get(cloud, &call),
        Emulated::ListTasks => tasks::list(cloud, &call),
        Emulated::GetOperation => operations::get(cloud, &call),
        Emulated::ListOperations => operations::list(cloud, &call),
        Emulated::WaitOperation => operations::wait(cloud, &call).await,
        Emulated::GetService => services::get(cloud, &call),
        Emulated::ListServices => services::list(cloud, &call),
        Emulated::UpdateService => services::update(cloud, &call),
        Emulated::GetRevision => services::get_revision(cloud, &call),
        Emulated::ListRevisions => services::list_revisions(cloud, &call),
        Emulated::ListLogEntries => logging::list(cloud, &call),
        // What is gRPC has been answered before.
        Emulated::TailLogEntries => Err(ApiError::of_http(415, None, "This method takes gRPC only.")),
        Emulated::GetSqlInstance => sql::get(cloud, &call),
        Emulated::GetRepository => artifacts::get_repository(cloud, &call),
        Emulated::ListDockerImages => artifacts::list_images(cloud, &call),
        Emulated::GetDockerImage => artifacts::get_image(cloud, &call),
        Emulated::GetSecret => secrets::get(cloud, &call),
        Emulated::GetSecretVersion => secrets::get_version(cloud, &call),
        Emulated::TestJobPermissions
        | Emulated::TestServicePermissions
        | Emulated::TestProjectPermissions => iam::test(cloud, emulated, &call),
        Emulated::TestBucketPermissions => storage::test_permissions(cloud, &call),
        Emulated::GetProject => iam::get_project(cloud, &call),
        Emulated::GetProjectPolicy => iam::get_policy(cloud, &call),
        Emulated::GetEnabled => enabled::get(cloud, &call),
        Emulated::BatchGetEnabled => enabled::batch_get(cloud, &call),
        Emulated::GenerateAccessToken => iam::generate_token(cloud, &call),
        Emulated::RefreshToken => iam::refresh(cloud, &call),
        Emulated::UserInfo => Ok(iam::user_info(&call)),
    };
    reply.map(Answer::Message)
}

/// Whether a path fits a template: the same parts, `*` for any that carries no custom verb.
fn fits(template: &str, path: &str) -> bool {
    let (template, verb) = split_verb(template);
    let (path, own) = split_verb(path);
    if verb != own {
        return false;
    }
    let (mut expected, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return true,
            (Some("*"), Some(part)) if !part.is_empty() => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Takes the custom verb off. The colon of an image's digest begins none, and Cloud Storage has none.
fn split_verb(path: &str) -> (&str, &str) {
    path.rsplit_once(':')
        .filter(|(name, _)| !name.ends_with("@sha256") && !is_storage(path))
        .unwrap_or((path, ""))
}

/// Google's words for a resource that is not there.
fn missing_resource(kind: &str, name: &str) -> ApiError {
    let part = |collection| crate::names::part(name, collection);
    ApiError::not_found(format!(
        "Resource '{}' of kind '{kind}' in region '{}' in project '{}' does not exist.",
        crate::names::short_name(name),
        part("locations"),
        part("projects"),
    ))
}

/// Refuses a change that was made for another version of the resource.
///
/// The code is that of AIP-154, the rule for Google's APIs; the wording is not documented.
fn check_etag(given: &str, resource: &Value) -> Result<(), ApiError> {
    let current = resource["etag"].as_str().unwrap_or_default();
    if given.is_empty() || given == current {
        return Ok(());
    }
    Err(ApiError::aborted(format!(
        "Conflict for resource '{}': version '{given}' was specified but current version is \
         '{current}'.",
        crate::names::short_name(resource["name"].as_str().unwrap_or_default()),
    )))
}

/// One page of what is given in order, of 100 at most.
fn page<'a>(
    call: &Call<'_>,
    message: &'static str,
    field: &str,
    items: impl Iterator<Item = &'a Value>,
) -> Result<Reply, ApiError> {
    page_up_to(100, call, message, field, items)
}

/// One page of what is given in order; the token is the last name of the page before.
fn page_up_to<'a>(
    largest: usize,
    call: &Call<'_>,
    message: &'static str,
    field: &str,
    items: impl Iterator<Item = &'a Value>,
) -> Result<Reply, ApiError> {
    const DEFAULT: usize = 100;
    let size = match call.parameter("pageSize") {
        "" => DEFAULT,
        text => match text.parse::<i32>() {
            Ok(0) => DEFAULT,
            Ok(size) if size > 0 => usize::try_from(size).unwrap_or(largest).min(largest),
            _ => return Err(ApiError::invalid(format!("Invalid page size: {text}."))),
        },
    };
    let mut items = items.peekable();
    let token = call.parameter("pageToken");
    if !token.is_empty() {
        let last = URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| ApiError::invalid("The page token is invalid."))?;
        if !items.any(|item| item["name"] == last.as_str()) {
            return Err(ApiError::invalid("The page token is invalid."));
        }
    }
    let page: Vec<&Value> = items.by_ref().take(size).collect();
    let mut value = json!({});
    if let (Some(last), Some(_)) = (page.last(), items.peek()) {
        let name = last["name"].as_str().unwrap_or_default();
        value["nextPageToken"] = json!(URL_SAFE_NO_PAD.encode(name));
    }
    if !page.is_empty() {
        value[field] = json!(page);
    }
    Ok(Reply::new(message, value))
}

fn created(resource: &Value) -> Option<jiff::Timestamp> {
    resource["createTime"].as_str()?.parse().ok()
}

/// Whether a resource's name is `parent`, the collection and one more part.
pub(crate) fn is_child(name: &str, parent: &str, collection: &str) -> bool {
    name.strip_prefix(parent)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|rest| rest.strip_prefix(collection))
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|rest| !rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_fits_its_template_only() {
        let run = "/v2/projects/*/locations/*/jobs/*:run";
        assert!(fits(run, "/v2/projects/p/locations/r/jobs/j:run"));
        assert!(!fits(run, "/v2/projects/p/locations/r/jobs/j"));
        assert!(!fits(run, "/v2/projects/p/locations/r/jobs/:run"));
        assert!(!fits(run, "/v2/projects/p/locations/r/jobs/j/x:run"));
        assert!(fits("/v2/entries:list", "/v2/entries:list"));
        let image = "/v1/projects/*/locations/*/repositories/*/dockerImages/*";
        assert!(fits(image, "/v1/projects/p/locations/r/repositories/q/dockerImages/i@sha256:00"));
        assert!(!fits(image, "/v1/projects/p/locations/r/repositories/q/dockerImages/i:get"));
    }

    #[test]
    fn the_readme_lists_exactly_the_methods_of_the_table() {
        let readme = include_str!("../../README.md");
        let listed: Vec<&str> = readme
            .lines()
            .skip_while(|line| !line.starts_with("| method | path |"))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .collect();
        let table: Vec<String> = METHODS
            .iter()
            .map(|method| {
                let emulated = if method.emulated.is_some() { "yes" } else { "501" };
                format!("| `{}` | `{} {}` | {emulated} |", method.name, method.verb, method.path)
            })
            .collect();
        assert_eq!(listed, table, "crates/emulator/README.md is out of date");
    }
}
