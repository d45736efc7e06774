//! The methods of Google Cloud that are called, each with its HTTP form from its service's definition (the
//! annotation `google.api.http`).
//!
//! To add a method: its line here.
//!
//! Each of Google's clients is made with one of these stubs in place of its own, so that all of them share
//! their connections. Requests, answers, errors, options and pages stay those of the clients.

use google_cloud_api_serviceusage_v1 as serviceusage;
use google_cloud_artifactregistry_v1 as artifactregistry;
use google_cloud_gax::Result;
use google_cloud_gax::options::RequestOptions;
use google_cloud_gax::response::Response;
use google_cloud_gax::streaming::{RequestSender, ResponseStream};
use google_cloud_iam_v1::model::{
    GetIamPolicyRequest, Policy, TestIamPermissionsRequest, TestIamPermissionsResponse,
};
use google_cloud_logging_v2 as logging;
use google_cloud_longrunning::model::Operation;
use google_cloud_resourcemanager_v3 as resourcemanager;
use google_cloud_run_v2 as run;
use google_cloud_secretmanager_v1 as secretmanager;
use google_cloud_sql_v1 as sql;
use reqwest::Method;

use super::rest::{Binding, Rest};

/// Defines a service: its methods with their requests, answers and HTTP forms.
macro_rules! service {
    ($service:path: $($name:ident($request:ty) -> $answer:ty = $method:ident $path:literal, $body:literal;)*) => {
        impl $service for Rest {
            $(async fn $name(&self, request: $request, options: RequestOptions) -> Result<Response<$answer>> {
                let binding = Binding { method: Method::$method, path: $path, body: $body };
                self.call(binding, request, options).await
            })*
        }
    };
}

service! { run::stub::Jobs:
    create_job(run::model::CreateJobRequest) -> Operation =
        POST "/v2/{parent=projects/*/locations/*}/jobs", "job";
    get_job(run::model::GetJobRequest) -> run::model::Job =
        GET "/v2/{name=projects/*/locations/*/jobs/*}", "";
    update_job(run::model::UpdateJobRequest) -> Operation =
        PATCH "/v2/{job.name=projects/*/locations/*/jobs/*}", "job";
    run_job(run::model::RunJobRequest) -> Operation =
        POST "/v2/{name=projects/*/locations/*/jobs/*}:run", "*";
    test_iam_permissions(TestIamPermissionsRequest) -> TestIamPermissionsResponse =
        POST "/v2/{resource=projects/*/locations/*/jobs/*}:testIamPermissions", "*";
}

service! { run::stub::Executions:
    get_execution(run::model::GetExecutionRequest) -> run::model::Execution =
        GET "/v2/{name=projects/*/locations/*/jobs/*/executions/*}", "";
    list_executions(run::model::ListExecutionsRequest) -> run::model::ListExecutionsResponse =
        GET "/v2/{parent=projects/*/locations/*/jobs/*}/executions", "";
    cancel_execution(run::model::CancelExecutionRequest) -> Operation =
        POST "/v2/{name=projects/*/locations/*/jobs/*/executions/*}:cancel", "*";
    delete_execution(run::model::DeleteExecutionRequest) -> Operation =
        DELETE "/v2/{name=projects/*/locations/*/jobs/*/executions/*}", "";
}

service! { run::stub::Tasks:
    list_tasks(run::model::ListTasksRequest) -> run::model::ListTasksResponse =
        GET "/v2/{parent=projects/*/locations/*/jobs/*/executions/*}/tasks", "";
}

service! { run::stub::Services:
    get_service(run::model::GetServiceRequest) -> run::model::Service =
        GET "/v2/{name=projects/*/locations/*/services/*}", "";
    update_service(run::model::UpdateServiceRequest) -> Operation =
        PATCH "/v2/{service.name=projects/*/locations/*/services/*}", "service";
}

service! { run::stub::Revisions:
    get_revision(run::model::GetRevisionRequest) -> run::model::Revision =
        GET "/v2/{name=projects/*/locations/*/services/*/revisions/*}", "";
    list_revisions(run::model::ListRevisionsRequest) -> run::model::ListRevisionsResponse =
        GET "/v2/{parent=projects/*/locations/*/services/*}/revisions", "";
}

service! { resourcemanager::stub::Projects:
    get_project(resourcemanager::model::GetProjectRequest) -> resourcemanager::model::Project =
        GET "/v3/{name=projects/*}", "";
    get_iam_policy(GetIamPolicyRequest) -> Policy =
        POST "/v3/{resource=projects/*}:getIamPolicy", "*";
    test_iam_permissions(TestIamPermissionsRequest) -> TestIamPermissionsResponse =
        POST "/v3/{resource=projects/*}:testIamPermissions", "*";
}

service! { serviceusage::stub::ServiceUsage:
    batch_get_services(serviceusage::model::BatchGetServicesRequest) ->
        serviceusage::model::BatchGetServicesResponse =
        GET "/v1/{parent=*/*}/services:batchGet", "";
}

service! { secretmanager::stub::SecretManagerService:
    create_secret(secretmanager::model::CreateSecretRequest) -> secretmanager::model::Secret =
        POST "/v1/{parent=projects/*}/secrets", "secret";
    add_secret_version(secretmanager::model::AddSecretVersionRequest) -> secretmanager::model::SecretVersion =
        POST "/v1/{parent=projects/*/secrets/*}:addVersion", "*";
    get_iam_policy(GetIamPolicyRequest) -> Policy =
        GET "/v1/{resource=projects/*/secrets/*}:getIamPolicy", "";
    get_secret_version(secretmanager::model::GetSecretVersionRequest) -> secretmanager::model::SecretVersion =
        GET "/v1/{name=projects/*/secrets/*/versions/*}", "";
}

service! { sql::stub::SqlInstancesService:
    get(sql::model::SqlInstancesGetRequest) -> sql::model::DatabaseInstance =
        GET "/v1/projects/{project}/instances/{instance}", "";
    list_server_cas(sql::model::SqlInstancesListServerCasRequest) -> sql::model::InstancesListServerCasResponse =
        GET "/v1/projects/{project}/instances/{instance}/listServerCas", "";
}

service! { artifactregistry::stub::ArtifactRegistry:
    get_repository(artifactregistry::model::GetRepositoryRequest) -> artifactregistry::model::Repository =
        GET "/v1/{name=projects/*/locations/*/repositories/*}", "";
}

service! { logging::stub::ConfigServiceV2:
    get_bucket(logging::model::GetBucketRequest) -> logging::model::LogBucket =
        GET "/v2/{name=projects/*/locations/*/buckets/*}", "";
    list_sinks(logging::model::ListSinksRequest) -> logging::model::ListSinksResponse =
        GET "/v2/{parent=projects/*}/sinks", "";
}

/// Cloud Logging: pages over the shared connection; live over gRPC, which only Google's own client supports.
#[derive(Debug)]
pub(super) struct Logging {
    pub(super) rest: Rest,
    pub(super) live: logging::client::LoggingServiceV2,
}

impl logging::stub::LoggingServiceV2 for Logging {
    async fn list_log_entries(
        &self,
        request: logging::model::ListLogEntriesRequest,
        options: RequestOptions,
    ) -> Result<Response<logging::model::ListLogEntriesResponse>> {
        let binding = Binding { method: Method::POST, path: "/v2/entries:list", body: "*" };
        self.rest.call(binding, request, options).await
    }

    fn tail_log_entries(
        &self,
        _: RequestOptions,
    ) -> (
        RequestSender<logging::model::TailLogEntriesRequest>,
        ResponseStream<logging::model::TailLogEntriesResponse>,
    ) {
        self.live.tail_log_entries().build()
    }
}
