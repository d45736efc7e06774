//! What a job needs besides Cloud Run, judged by the official crates.

mod common;

use cloud_emulator::{Emulator, MissingSqlInstance, SecretVersionState};
use common::{JOB, World, job};
use google_cloud_artifactregistry_v1::model::repository::{Format, Mode};
use google_cloud_gax::error::rpc::{Code, StatusDetails};
use google_cloud_gax::paginator::ItemPaginator;
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
