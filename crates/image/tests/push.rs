//! Images that are put together here, with a real registry and a real engine.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use quill_admin_image::{
    BuildEvent, Entry, Image, ImageErrorKind, Layer, Registry, Repository, Settings, Token,
};
use quill_admin_testkit::docker::{docker_command, run};
use quill_admin_testkit::http::answer;
use quill_admin_testkit::registry::{self, Registry as Server};
use quill_admin_testkit::{needs_docker, needs_registry};

const PATH: &str = "p/quill/admin";

fn provider() {
    // If a provider is installed already, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn image(program: &[u8]) -> Image {
    let layers = [
        vec![Entry::folder("etc", 0o755), Entry::file("etc/name", 0o644, "quill").owned_by(10001, 10001)],
        vec![Entry::file("program", 0o555, program)],
    ];
    let layers = layers.into_iter().map(|entries| Layer::of(entries).expect("a layer")).collect();
    let settings = Settings {
        user: "10001:10001".to_owned(),
        entrypoint: Some(vec!["/program".to_owned()]),
        labels: Some(BTreeMap::from([("a".to_owned(), "b".to_owned())])),
        ..Settings::default()
    };
    let created = "2026-11-29T12:00:00Z".parse().expect("a time");
    Image::assemble(&settings, created, layers).expect("an image")
}

fn repository(address: &str) -> Repository {
    format!("{address}/{PATH}").parse().expect("valid")
}

fn quiet(_: BuildEvent) {}

#[tokio::test]
async fn a_registry_takes_it_once_and_gives_it_back_as_it_is() {
    needs_registry!();
    provider();
    let server = Server::with_token();
    let repository = repository(&server.address());
    let token = Token::new(registry::TOKEN.to_owned(), |_| true);
    let registry = Registry::new(&repository, Some(&token));
    // The content cannot be compressed: the number of bytes shows how much of it was sent.
    let mut state = 1_u32;
    let program: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(300_000)
    .collect();
    let image_one = image(&program);
    let seen = Mutex::new(Vec::new());
    let sent = registry
        .push(&image_one, "one", &|event| seen.lock().expect("unpoisoned").push(event))
        .await
        .expect("pushed");
    assert!(sent > 300_000, "{sent}");
    assert_eq!(server.digest(PATH, "one").as_deref(), Some(image_one.digest()));
    let found = registry.image("one").await.expect("asked").expect("there");
    assert_eq!(found.digest, image_one.digest());
    assert_eq!(found.config, image_one.configuration().digest());
    assert_eq!(found.labels["a"], "b");
    assert_eq!(found.platform, "linux/amd64");
    assert_eq!(found.layers.len(), 2);
    // Nothing is sent a second time; for another program only that program is sent.
    assert_eq!(registry.push(&image_one, "two", &quiet).await.expect("pushed"), 0);
    let sent = registry.push(&image(b"small"), "three", &quiet).await.expect("pushed");
    assert!(sent < 1000, "{sent}");
    assert_eq!(server.tags(PATH), ["one", "three", "two"]);
    assert!(!server.log().contains(registry::TOKEN));

    let nobody =
        Registry::new(&repository, None).push(&image_one, "four", &quiet).await.expect_err("refused");
    assert_eq!(nobody.kind, ImageErrorKind::NotSignedIn, "{nobody}");
}

#[tokio::test]
async fn an_index_tells_the_platform_of_what_it_has() {
    needs_registry!();
    provider();
    let server = Server::start();
    let registry = Registry::new(&repository(&server.address()), None);
    let pushed = |architecture: &str| {
        server.push(PATH, architecture, &serde_json::json!({"os": "linux", "architecture": architecture}))
    };
    let (arm, amd, other) = (pushed("arm64"), pushed("amd64"), pushed("attestation"));
    let attestation = (other.as_str(), "unknown", "unknown");
    let (arm, amd) = ((arm.as_str(), "linux", "arm64"), (amd.as_str(), "linux", "amd64"));
    for (images, platform) in
        [(vec![attestation, arm], "linux/arm64"), (vec![attestation, arm, amd], "linux/amd64")]
    {
        let digest = server.push_index(PATH, "index", &images);
        for reference in ["index", digest.as_str()] {
            let found = registry.image(reference).await.expect("asked").expect("it is there");
            assert_eq!(found.platform, platform);
        }
    }
    // The registry has it, so it is not missing.
    server.push_index(PATH, "index", &[attestation]);
    let error = registry.image("index").await.expect_err("no image");
    assert_eq!(error.kind, ImageErrorKind::Registry, "{error}");
    assert!(registry.image("nothing").await.expect("asked").is_none());
}

#[tokio::test]
async fn an_engine_pulls_and_runs_it() {
    needs_docker!();
    needs_registry!();
    provider();
    let server = Server::start();
    let repository = repository(&server.address());
    // The smallest program that ends with an exit code of its own: Linux on x86_64, exit(42).
    let code = [0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    let image = image(&elf(&code));
    let _ = Registry::new(&repository, None).push(&image, "run", &quiet).await.expect("pushed");
    let name = repository.pinned(image.digest());
    let _ = run(docker_command().args(["pull", "--quiet", &name]));
    let status = docker_command().args(["run", "--rm", &name]).status().expect("docker is there");
    assert_eq!(status.code(), Some(42));
    let text =
        run(docker_command().args(["image", "inspect", "--format", "{{.Config.User}} {{.Created}}", &name]));
    assert_eq!(text.trim(), "10001:10001 2026-11-29T12:00:00Z");
    let _ = run(docker_command().args(["rmi", "--force", &name]));
}

/// A program for Linux on `x86_64`: one segment, with the code after the headers.
fn elf(code: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + code.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for number in [BASE + HEADERS, 64, 0] {
        file.extend(u64::to_le_bytes(number));
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // PT_LOAD, with the rights to read and to execute.
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for number in [0, BASE, BASE, size, size, 0x1000] {
        file.extend(u64::to_le_bytes(number));
    }
    file.extend(code);
    file
}

/// A server that answers every request by its first line and its number, counted from 0, and records all of
/// them.
fn scripted(
    reply: impl Fn(&str, usize) -> Option<String> + Send + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has one").to_string();
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let (kept, count) = (Arc::clone(&seen), AtomicUsize::new(0));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let Some(request) = request(&mut stream) else { continue };
            let line = request.lines().next().unwrap_or_default().to_owned();
            kept.lock().expect("unpoisoned").push(request);
            if let Some(reply) = reply(&line, count.fetch_add(1, Ordering::SeqCst)) {
                let _ = stream.write_all(reply.as_bytes());
            }
        }
    });
    (address, seen)
}

/// Reads a request with its body, if it states its length.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "a script can also give no answer")]
fn reply(status: &str, headers: &str, body: &str) -> Option<String> {
    Some(answer(status, headers, body))
}

#[tokio::test]
async fn the_token_does_not_go_along_to_where_an_upload_is_sent() {
    provider();
    let (stranger, asked) = scripted(|_, _| reply("201 Created", "", ""));
    let location = format!("Location: http://{stranger}/up?a=b\r\n");
    let (address, seen) = scripted(move |line, _| match line.split(' ').next() {
        Some("GET") => reply("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", ""),
        Some("HEAD") => reply("404 Not Found", "", ""),
        Some("POST") => reply("202 Accepted", &location, ""),
        _ => reply("201 Created", "", ""),
    });
    let token = Token::new("ya29.planted".to_owned(), |_| true);
    let registry = Registry::new(&repository(&address), Some(&token));
    let _ = registry.push(&image(b"x"), "t", &quiet).await.expect("pushed");
    let carries = |requests: &Mutex<Vec<String>>| {
        requests
            .lock()
            .expect("unpoisoned")
            .iter()
            .filter(|one| one.to_lowercase().contains("authorization"))
            .count()
    };
    assert_eq!(asked.lock().expect("unpoisoned").len(), 3, "two layers and the configuration");
    assert_eq!(carries(&asked), 0);
    assert_eq!(carries(&seen), 7, "every request to the registry itself but the first");
    assert!(asked.lock().expect("unpoisoned")[0].starts_with("PUT /up?a=b&digest=sha256%3A"));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_told_once_and_a_refusal_is_not() {
    provider();
    // A server that fails twice, cuts a connection, and then works.
    let (address, seen) = scripted(|line, number| match (line.split(' ').next(), number) {
        (_, 1 | 2) => reply("503 Service Unavailable", "", "busy"),
        (_, 3) => None,
        (Some("HEAD" | "GET"), _) => reply("200 OK", "", ""),
        _ => reply("201 Created", "", ""),
    });
    let token = Token::new("ya29.planted".to_owned(), |_| true);
    let told = Mutex::new(Vec::new());
    let registry = Registry::new(&repository(&address), Some(&token));
    let sent = registry
        .push(&image(b"x"), "t", &|event| {
            if let BuildEvent::Note(text) = event {
                told.lock().expect("unpoisoned").push(text);
            }
        })
        .await
        .expect("pushed");
    assert_eq!(sent, 0);
    let told = told.into_inner().expect("unpoisoned");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].ends_with("HTTP status 503 Service Unavailable; trying again"), "{told:?}");
    assert_eq!(seen.lock().expect("unpoisoned").len(), 1 + 3 + 3 + 1);

    let (address, seen) = scripted(|line, _| match line.split(' ').next() {
        Some("GET") => reply("200 OK", "", ""),
        _ => reply("403 Forbidden", "", ""),
    });
    let registry = Registry::new(&repository(&address), Some(&token));
    let refused = registry.push(&image(b"x"), "t", &quiet).await.expect_err("refused");
    assert_eq!(refused.kind, ImageErrorKind::PermissionDenied, "{refused}");
    assert_eq!(seen.lock().expect("unpoisoned").len(), 2, "asked once");
}
