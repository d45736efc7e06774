//! Tests of the surroundings of a job beside Cloud Run, with the official crates as clients.

use crate::common::{JOB, World, job};
use cloud_emulator::{Emulator, MissingSqlInstance, SecretVersionState};
use google_cloud_api_serviceusage_v1::model::State as ServiceState;
use google_cloud_artifactregistry_v1::model::repository::{Format, Mode};
use google_cloud_gax::error::rpc::{Code, StatusDetails};
use google_cloud_gax::paginator::ItemPaginator;
use google_cloud_iam_v1::model::audit_log_config::LogType;
use google_cloud_secretmanager_v1::model::secret_version::State;
use google_cloud_sql_v1::model::database_instance::SqlInstanceState;
use google_cloud_sql_v1::model::ip_configuration::SslMode;
use google_cloud_sql_v1::model::{SqlDatabaseVersion, SqlIpAddressType};
use serde_json::json;

#[tokio::test]
async fn a_cloud_sql_instance_is_described() {
    let world = World::start(Emulator::builder()).await;
    world
        .emulator
        .put_sql_instance(
            "p",
            "quill-auth",
            json!({
                "region": "europe-west2",
                "databaseVersion": "POSTGRES_16",
                "ipAddresses": [{"type": "PRIVATE", "ipAddress": "10.0.0.3"}],
                "settings": {
                    "tier": "db-f1-micro",
                    "ipConfiguration": {
                        "ipv4Enabled": false,
                        "sslMode": "ENCRYPTED_ONLY",
                        "privateNetwork": "projects/p/global/networks/quill",
                    },
                },
            }),
        )
        .expect("put");
    let client = world.sql_instances().await;
    let instance = client.get().set_project("p").set_instance("quill-auth").send().await.expect("there");
    assert_eq!(instance.name, "quill-auth");
    assert_eq!(instance.project, "p");
    assert_eq!(instance.state, SqlInstanceState::Runnable);
    assert_eq!(instance.database_version, SqlDatabaseVersion::Postgres16);
    assert_eq!(instance.connection_name, "p:europe-west2:quill-auth");
    assert_eq!(instance.ip_addresses.len(), 1);
    assert_eq!(instance.ip_addresses[0].r#type, SqlIpAddressType::Private);
    assert_eq!(instance.ip_addresses[0].ip_address, "10.0.0.3");
    let settings = instance.settings.expect("settings");
    let network = settings.ip_configuration.expect("an IP configuration");
    assert_eq!(network.ipv4_enabled, Some(false), "an explicit false is kept");
    assert_eq!(network.ssl_mode, SslMode::EncryptedOnly);
    assert_eq!(network.private_network, "projects/p/global/networks/quill");

    let stopped = json!({"state": "SUSPENDED"});
    world.emulator.put_sql_instance("p", "quill-auth", stopped).expect("put again");
    let instance = client.get().set_project("p").set_instance("quill-auth").send().await.expect("there");
    assert_eq!(instance.state, SqlInstanceState::Suspended);
    assert!(instance.settings.is_none(), "what is put replaces what was there");

    let wrong = json!({"state": "SLEEPING"});
    let wrong = world.emulator.put_sql_instance("p", "quill-auth", wrong).expect_err("no such state");
    assert!(wrong.to_string().contains("SLEEPING"), "{wrong}");
    world.end().await;
}

#[tokio::test]
async fn the_authorities_of_a_cloud_sql_instance_are_listed() {
    let world = World::start(Emulator::builder()).await;
    let put = |instance| world.emulator.put_sql_instance("p", "quill-auth", instance).expect("put");
    let client = world.sql_instances().await;
    let list = async || client.list_server_cas().set_project("p").set_instance("quill-auth").send().await;
    let none = list().await.expect_err("no instance");
    assert_eq!(none.http_status_code(), Some(404), "{none:?}");
    put(json!({}));
    let none = list().await.expect("there");
    assert!(none.certs.is_empty() && none.active_version.is_empty(), "{none:?}");
    put(json!({
        "dnsName": "db.example.goog.",
        "serverCaCert": {"cert": "PEM", "sha1Fingerprint": "aa"},
        "settings": {"ipConfiguration": {"serverCaMode": "GOOGLE_MANAGED_CAS_CA"}},
    }));
    let own = list().await.expect("there");
    assert_eq!((own.certs[0].cert.as_str(), own.active_version.as_str()), ("PEM", "aa"));
    let two = json!({
        "certs": [{"cert": "PEM", "sha1Fingerprint": "aa"}, {"cert": "NEXT", "sha1Fingerprint": "bb"}],
        "activeVersion": "aa",
    });
    world.emulator.put_server_cas("p", "quill-auth", two).expect("put");
    let both = list().await.expect("there");
    assert_eq!(both.certs.iter().map(|ca| ca.cert.as_str()).collect::<Vec<_>>(), ["PEM", "NEXT"]);
    assert_eq!(both.active_version, "aa");
    world.emulator.deny_permissions(["cloudsql.instances.listServerCas"]);
    let denied = list().await.expect_err("denied");
    assert_eq!(denied.http_status_code(), Some(403));
    let message = &denied.status().expect("a status").message;
    assert!(
        message.contains("cloudsql.instances.listServerCas on resource instances/quill-auth"),
        "{message}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_missing_cloud_sql_instance_is_reported_in_either_way() {
    for (answer, http, reason, message) in [
        (MissingSqlInstance::NotFound, 404, "instanceDoesNotExist", "The Cloud SQL instance does not exist."),
        (
            MissingSqlInstance::NotAuthorized,
            403,
            "notAuthorized",
            "The client is not authorized to make this request.",
        ),
    ] {
        let world = World::start(Emulator::builder().missing_sql_instance(answer)).await;
        let client = world.sql_instances().await;
        let missing = client.get().set_project("p").set_instance("quill-auth").send().await;
        let missing = missing.expect_err("not there");
        assert_eq!(missing.http_status_code(), Some(http));
        let status = missing.status().expect("a status");
        assert_eq!(status.message, message);
        let [StatusDetails::ErrorInfo(info)] = &status.details[..] else {
            panic!("expected one reason: {:?}", status.details);
        };
        assert_eq!(info.reason, reason);
        world.end().await;
    }
}

const REPOSITORY: &str = "projects/p/locations/europe-west2/repositories/quill";

fn image(name: &str, digit: char) -> String {
    format!("{REPOSITORY}/dockerImages/{name}@sha256:{}", digit.to_string().repeat(64))
}

#[tokio::test]
async fn a_repository_and_its_images_are_described() {
    let world = World::start(Emulator::builder()).await;
    let client = world.artifacts().await;
    let missing = client.get_repository().set_name(REPOSITORY).send().await.expect_err("not there");
    assert_eq!(missing.status().map(|s| s.code), Some(Code::NotFound));
    let missing = client.list_docker_images().set_parent(REPOSITORY).send().await;
    let missing = missing.expect_err("no repository, no list");
    assert_eq!(missing.status().map(|s| s.code), Some(Code::NotFound));

    world.emulator.put_repository(REPOSITORY, json!({"sizeBytes": "5000000000"})).expect("put");
    let repository = client.get_repository().set_name(REPOSITORY).send().await.expect("there");
    assert_eq!(repository.format, Format::Docker);
    assert_eq!(repository.mode, Mode::StandardRepository);
    assert_eq!(repository.size_bytes, 5_000_000_000);
    assert_eq!(repository.registry_uri, "europe-west2-docker.pkg.dev/p/quill");

    let old = json!({
        "tags": ["latest", "v1"],
        "imageSizeBytes": "12345678901",
        "buildTime": "2026-01-01T00:00:00Z",
        "uploadTime": "2026-01-01T00:00:01Z",
    });
    world.emulator.put_docker_image(&image("admin", '2'), old).expect("put");
    let new = json!({"tags": ["latest"], "uploadTime": "2026-01-02T00:00:00.5Z"});
    world.emulator.put_docker_image(&image("admin", '1'), new).expect("put");
    let other = json!({"tags": ["latest"], "uploadTime": "2026-01-02T00:00:00Z"});
    world.emulator.put_docker_image(&image("backend", '3'), other).expect("put");

    let got = client.get_docker_image().set_name(image("admin", '2')).send().await.expect("there");
    assert_eq!(got.name, image("admin", '2'));
    assert_eq!(got.tags, ["v1"], "the newer image has taken the other tag");
    assert_eq!(got.image_size_bytes, 12_345_678_901);
    assert_eq!(got.build_time.map(|time| time.seconds()), Some(1_767_225_600));
    assert_eq!(got.update_time, got.upload_time);
    assert_eq!(got.uri, format!("europe-west2-docker.pkg.dev/p/quill/admin@sha256:{}", "2".repeat(64)));
    assert_eq!(got.media_type, "application/vnd.docker.distribution.manifest.v2+json");
    let missing = client.get_docker_image().set_name(image("admin", '9')).send().await;
    let missing = missing.expect_err("no such digest");
    assert_eq!(missing.status().map(|s| s.code), Some(Code::NotFound));

    for (order, expected) in [("", "123"), ("update_time desc", "132"), ("uploadTime", "231")] {
        let mut items =
            client.list_docker_images().set_parent(REPOSITORY).set_page_size(2).set_order_by(order).by_item();
        let mut digits = String::new();
        while let Some(item) = items.next().await {
            digits.extend(item.expect("an image").name.chars().last());
        }
        assert_eq!(digits, expected, "{order}");
    }
    let untagged = world.emulator.put_docker_image(&format!("{REPOSITORY}/dockerImages/admin"), json!({}));
    untagged.expect_err("a name without a digest");
    world.end().await;
}

#[tokio::test]
async fn a_secret_and_its_versions_are_described_without_their_values() {
    let world = World::start(Emulator::builder()).await;
    let client = world.secrets().await;
    let version = |id: &str| {
        let name = format!("projects/p/secrets/auth-db-password/versions/{id}");
        client.get_secret_version().set_name(name).send()
    };
    let missing = client.get_secret().set_name("projects/p/secrets/auth-db-password").send().await;
    let missing = missing.expect_err("not there");
    let missing = missing.status().expect("a status");
    assert_eq!(missing.code, Code::NotFound);
    assert!(missing.message.ends_with("/secrets/auth-db-password] not found."), "{}", missing.message);

    world.emulator.put_secret_without_version("p", "auth-db-password");
    let secret = client.get_secret().set_name("projects/p/secrets/auth-db-password").send().await;
    let secret = secret.expect("there");
    let (project, id) = secret.name.split_once("/secrets/").expect("a secret's name");
    assert_eq!(id, "auth-db-password");
    let number = project.strip_prefix("projects/").expect("a project");
    number.parse::<u64>().expect("its number, not its id");
    assert!(secret.replication.is_some_and(|replication| replication.automatic().is_some()));
    // What an answer said is understood in a request.
    client.get_secret().set_name(&secret.name).send().await.expect("the same");
    let missing = version("latest").await.expect_err("no version");
    assert!(
        missing.status().is_some_and(|status| status.message.ends_with("not found or has no versions.")),
        "{missing}"
    );

    assert_eq!(world.emulator.add_secret_version("p", "auth-db-password", "one").expect("added"), 1);
    assert_eq!(world.emulator.add_secret_version("p", "auth-db-password", "two").expect("added"), 2);
    let latest = version("latest").await.expect("there");
    assert_eq!(latest.name, format!("{}/versions/2", secret.name));
    assert_eq!(latest.state, State::Enabled);
    world
        .emulator
        .set_secret_version_state("p", "auth-db-password", 2, SecretVersionState::Disabled)
        .expect("set");
    assert_eq!(version("latest").await.expect("there").state, State::Disabled, "latest is the newest");
    assert_eq!(version("1").await.expect("there").state, State::Enabled);
    world
        .emulator
        .set_secret_version_state("p", "auth-db-password", 1, SecretVersionState::Destroyed)
        .expect("set");
    let destroyed = version("1").await.expect("there");
    assert_eq!(destroyed.state, State::Destroyed);
    assert!(destroyed.destroy_time.is_some());
    world
        .emulator
        .set_secret_version_state("p", "auth-db-password", 1, SecretVersionState::Enabled)
        .expect_err("destroyed for good");
    version("3").await.expect_err("no third version");
    let access = client
        .access_secret_version()
        .set_name("projects/p/secrets/auth-db-password/versions/2")
        .send()
        .await
        .expect_err("values are not told");
    assert_eq!(access.status().map(|s| s.code), Some(Code::Unimplemented));
    world.end().await;
}

#[tokio::test]
async fn a_job_whose_secret_is_not_enabled_does_not_start() {
    let world = World::start(Emulator::builder()).await;
    let mut wanted = job("i");
    wanted["template"]["template"]["containers"][0]["env"] =
        json!([{"name": "PASSWORD", "valueSource": {"secretKeyRef": {"secret": "s", "version": "latest"}}}]);
    world.emulator.put_job(JOB, wanted).expect("put");
    let said = |state: &'static str| {
        format!(
            "template.template.containers[0].env[0].value_source.secret_key_ref: Secret Version \
             [projects/p/secrets/s/versions/1] is in {state} state."
        )
    };
    for (state, message) in [
        (SecretVersionState::Enabled, None),
        (SecretVersionState::Disabled, Some(said("DISABLED"))),
        (SecretVersionState::Destroyed, Some(said("DESTROYED"))),
    ] {
        world.emulator.put_secret("p", "s", "value");
        world.emulator.set_secret_version_state("p", "s", 1, state).expect("set");
        let run = world.run().await;
        let done = world.wait(&run).await;
        assert_eq!(done.error().map(|error| error.message.clone()), message);
        let execution = world.execution(&World::metadata(&run).name).await;
        assert_eq!(execution.start_time.is_some(), message.is_none());
    }
    world.end().await;
}

#[tokio::test]
async fn services_are_enabled_unless_a_test_says_otherwise() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let client = world.service_usage().await;
    let batch = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| format!("projects/p/services/{name}")).collect();
        client.batch_get_services().set_parent("projects/p").set_names(names).send()
    };
    world.emulator.set_service_enabled("p", "sqladmin.googleapis.com", false);
    let found = batch(&["sqladmin.googleapis.com", "run.googleapis.com"]).await.expect("an answer");
    let states: Vec<_> = found.services.iter().map(|service| service.state.clone()).collect();
    assert_eq!(states, [ServiceState::Disabled, ServiceState::Enabled], "in the order of the question");
    let (project, service) = found.services[1].name.split_once("/services/").expect("a service's name");
    assert_eq!(service, "run.googleapis.com");
    assert_eq!(project, found.services[1].parent);
    assert_ne!(project, "projects/p", "its number, not its id");
    let one = client.get_service().set_name(&found.services[0].name).send().await.expect("by the number");
    assert_eq!(one, found.services[0]);

    let unknown = batch(&["run.googleapis.com", "run"]).await.expect_err("no such service");
    let said = unknown.status().expect("a status");
    assert_eq!(said.code, Code::PermissionDenied);
    assert_eq!(said.message, "Not found or permission denied for service(s): run.");
    let many = vec!["run.googleapis.com"; 31];
    let many = batch(&many).await.expect_err("30 at most");
    assert_eq!(many.status().map(|status| status.code), Some(Code::InvalidArgument));
    let elsewhere = client.batch_get_services().set_parent("projects/p");
    let elsewhere = elsewhere.set_names(["projects/q/services/run.googleapis.com"]).send().await;
    let elsewhere = elsewhere.expect_err("of another project");
    assert_eq!(elsewhere.status().map(|status| status.code), Some(Code::InvalidArgument));
    world.end().await;
}

#[tokio::test]
async fn a_service_that_is_not_enabled_refuses_its_calls() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    world.emulator.put_secret("p", "s", "value");
    let refused = |error: google_cloud_gax::error::Error| {
        let status = error.status().expect("a status");
        assert_eq!(status.code, Code::PermissionDenied);
        let [StatusDetails::ErrorInfo(info)] = &status.details[..] else {
            panic!("expected one reason: {:?}", status.details);
        };
        assert_eq!(info.reason, "SERVICE_DISABLED");
        info.metadata["service"].clone()
    };
    let jobs = world.jobs().await;
    let logging = world.logging().await;
    let secrets = world.secrets().await;
    for service in ["run.googleapis.com", "logging.googleapis.com", "secretmanager.googleapis.com"] {
        world.emulator.set_service_enabled("p", service, false);
        let answers = [
            jobs.get_job().set_name(JOB).send().await.map(drop),
            logging.list_log_entries().set_resource_names(["projects/p"]).send().await.map(drop),
            secrets.get_secret().set_name("projects/p/secrets/s").send().await.map(drop),
        ];
        let refusals: Vec<_> = answers.into_iter().filter_map(Result::err).map(refused).collect();
        assert_eq!(refusals, [service]);
        world.emulator.set_service_enabled("p", service, true);
    }
    jobs.get_job().set_name(JOB).send().await.expect("enabled again");
    world.end().await;
}

#[tokio::test]
async fn a_projects_policy_says_what_is_audited() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let projects = world.projects().await;
    let policy = || projects.get_iam_policy().set_resource("projects/p").send();
    let first = policy().await.expect("a policy");
    assert_eq!((first.version, first.audit_configs.len(), first.etag.is_empty()), (1, 0, false));
    let wanted = json!({
        "bindings": [{"role": "roles/run.viewer", "members": ["user:steve@example.org"]}],
        "auditConfigs": [{
            "service": "run.googleapis.com",
            "auditLogConfigs": [
                {"logType": "DATA_READ"},
                {"logType": "DATA_WRITE", "exemptedMembers": ["user:steve@example.org"]},
            ],
        }],
    });
    world.emulator.put_iam_policy("p", wanted).expect("put");
    let policy = policy().await.expect("a policy");
    assert_eq!(policy.bindings[0].members, ["user:steve@example.org"]);
    let audited = &policy.audit_configs[0];
    assert_eq!(audited.service, "run.googleapis.com");
    let types: Vec<_> = audited.audit_log_configs.iter().map(|log| log.log_type.clone()).collect();
    assert_eq!(types, [LogType::DataRead, LogType::DataWrite]);
    assert_eq!(audited.audit_log_configs[1].exempted_members, ["user:steve@example.org"]);
    let missing = projects.get_iam_policy().set_resource("projects/other").send().await;
    let missing = missing.expect_err("no such project");
    assert_eq!(missing.status().map(|status| status.code), Some(Code::PermissionDenied));
    let wrong = json!({"auditConfigs": [{"auditLogConfigs": [{"logType": "ALL"}]}]});
    world.emulator.put_iam_policy("p", wrong).expect_err("no such type");
    world.end().await;
}
