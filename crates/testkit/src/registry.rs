//! A container registry of a test's own, where Debian's `docker-registry` is installed.
//!
//! It listens on a free port of the loopback interface. Docker engines use plain HTTP for registries there by
//! default.
//!
//! To change a setting of the registry: `write_files`. To add a call: a method of [`Registry`].

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

use crate::http::{Answer, Request};

/// The user name that Google's registries expect with an access token.
pub const TOKEN_USER: &str = "oauth2accesstoken";

/// The one access token that [`Registry::with_token`] accepts.
pub const TOKEN: &str = "ya29.test-registry-token";

/// A user with a password, whom [`Registry::with_token`] accepts as well.
pub const USER: &str = "mirror";

/// The password of [`USER`]. Encoded in base64 it has all characters in which the two alphabets of base64
/// differ, at whatever offset it begins.
pub const PASSWORD: &str = "p?ss>w~rd+/?~>";

/// [`TOKEN_USER`] and [`TOKEN`], [`USER`] and [`PASSWORD`], as lines of an htpasswd file. They were made with
/// `htpasswd -nbBC 4`: the registry reads only bcrypt, and code for that would be much for two passwords.
const HTPASSWD: &str = "oauth2accesstoken:$2y$04$JzzRc8MFp1QAuImflCN03OHLRACYn/PJos2HBuVlvCDPiRGkhdrXC\n\
                        mirror:$2b$04$abcdefghijklmnopqrstuu3jqaE4.IplWV.f5U9v/P30VdrR8RYxS\n";

/// [`TOKEN_USER`] and [`TOKEN`] in base64, as HTTP needs them.
const BASIC: &str = "b2F1dGgyYWNjZXNzdG9rZW46eWEyOS50ZXN0LXJlZ2lzdHJ5LXRva2Vu";

/// The script that runs the registry until standard input ends: until the owner closes it, or has ended. Then
/// everything is removed.
const SUPERVISE: &str = r#"
root=$1
"$2" serve "$root/config.yml" &
registry=$!
# The registry alone holds this from here on: its end is the end of what the owner reads.
exec 2>/dev/null
cat >/dev/null
kill "$registry"
wait "$registry"
rm -rf -- "$root"
"#;

/// A running registry. Dropping it stops it and removes all images; so does the end of this process, even a
/// crash.
pub struct Registry {
    port: u16,
    token: bool,
    folder: PathBuf,
    log: Arc<Mutex<String>>,
    supervisor: Child,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// Starts a registry to which everybody may push and from which everybody may pull.
    #[must_use]
    pub fn start() -> Self {
        Self::launch(false).unwrap_or_else(|error| panic!("failed to start a registry: {error}"))
    }

    /// Starts a registry that asks for [`TOKEN_USER`] and [`TOKEN`].
    #[must_use]
    pub fn with_token() -> Self {
        Self::launch(true).unwrap_or_else(|error| panic!("failed to start a registry: {error}"))
    }

    fn launch(token: bool) -> io::Result<Self> {
        let program = program().ok_or_else(|| io::Error::other(NOT_INSTALLED))?;
        let directory = tempfile::Builder::new().prefix("quill-admin-registry-").tempdir()?;
        write_files(directory.path(), token)?;
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISE, "sh"])
            .arg(directory.path())
            .arg(program)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is for the tests; the supervisor ends by itself.
            .process_group(0)
            .spawn()?;
        // From here on the supervisor removes the directory.
        let folder = directory.keep();

        let mut lines = BufReader::new(supervisor.stderr.take().expect("it is piped"));
        let mut log = String::new();
        let port = loop {
            let start = log.len();
            if lines.read_line(&mut log)? == 0 {
                drop(supervisor.stdin.take());
                supervisor.wait()?;
                return Err(io::Error::other(log));
            }
            // The registry picks a free port itself and reports it.
            if let Some((_, rest)) = log[start..].split_once("listening on 127.0.0.1:") {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                break digits.parse().map_err(io::Error::other)?;
            }
        };
        let log = Arc::new(Mutex::new(log));
        let kept = Arc::clone(&log);
        // The log is read to its end: with a full pipe the registry would stop.
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut log = kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        Ok(Self { port, token, folder, log, supervisor })
    }

    /// The registry's address, with which names of images begin: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The folder of its images and settings.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The tags of a repository, sorted; none if there is no such repository.
    #[must_use]
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let answer = self.ask("GET", &format!("/v2/{repository}/tags/list"));
        if answer.status == 404 {
            return Vec::new();
        }
        let list = answer.expect(200).json();
        let mut tags: Vec<String> = list["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        tags.sort_unstable();
        tags
    }

    /// The digest, `sha256:…`, of the image with this tag or digest, if there is one.
    #[must_use]
    pub fn digest(&self, repository: &str, reference: &str) -> Option<String> {
        let answer = self.ask("HEAD", &format!("/v2/{repository}/manifests/{reference}"));
        if answer.status == 404 {
            return None;
        }
        let digest = answer.expect(200).header("docker-content-digest").map(str::to_owned);
        Some(digest.expect("a registry tells the digest"))
    }

    /// Pushes an image that has only a configuration under a tag; returns its digest. `configuration` is the
    /// OCI one: `architecture`, `os`, `created`, `config` with `Labels`.
    pub fn push(&self, repository: &str, tag: &str, configuration: &Value) -> String {
        let configuration = configuration.to_string();
        let digest = sha256(&configuration);
        let upload = self.ask("POST", &format!("/v2/{repository}/blobs/uploads/")).expect(202);
        let location = upload.header("location").expect("a registry says where to").to_owned();
        let (_, path) = location.split_once(&self.address()).expect("it is at its own address");
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}digest={digest}");
        let put = Request::new("PUT", &path).body("application/octet-stream", configuration.as_str());
        self.send(put).expect(201);
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest,
                "size": configuration.len(),
            },
            "layers": [],
        })
        .to_string();
        let path = format!("/v2/{repository}/manifests/{tag}");
        self.send(Request::new("PUT", &path).body(media_type, manifest.as_str())).expect(201);
        sha256(&manifest)
    }

    /// Pushes an index under a tag, with images that were pushed to the same repository before: the digest, the
    /// operating system and the architecture of each. Returns the index's digest.
    pub fn push_index(&self, repository: &str, tag: &str, images: &[(&str, &str, &str)]) -> String {
        let media_type = "application/vnd.oci.image.index.v1+json";
        let entries: Vec<Value> = images
            .iter()
            .map(|(digest, os, architecture)| {
                let image = self.ask("GET", &format!("/v2/{repository}/manifests/{digest}")).expect(200);
                serde_json::json!({
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": digest,
                    "size": image.body.len(),
                    "platform": {"os": os, "architecture": architecture},
                })
            })
            .collect();
        let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
        let index = index.to_string();
        let path = format!("/v2/{repository}/manifests/{tag}");
        self.send(Request::new("PUT", &path).body(media_type, index.as_str())).expect(201);
        sha256(&index)
    }

    /// Deletes an image, as a clean-up may while a job still names it.
    pub fn delete(&self, repository: &str, digest: &str) {
        self.ask("DELETE", &format!("/v2/{repository}/manifests/{digest}")).expect(202);
    }

    /// The registry's log so far, to look for secrets in.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(manifest_request(method, path))
    }

    fn send(&self, request: Request) -> Answer {
        let basic = format!("Basic {BASIC}");
        let request = if self.token { request.header("Authorization", &basic) } else { request };
        request.send(&self.address())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // The supervisor stops the registry when its standard input ends.
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// A request that accepts manifests of Docker and of OCI: without that a registry answers in an older form.
pub fn manifest_request(method: &str, path: &str) -> Request {
    Request::new(method, path)
        .header("Accept", "application/vnd.docker.distribution.manifest.v2+json")
        .header("Accept", "application/vnd.oci.image.manifest.v1+json")
}

fn sha256(text: &str) -> String {
    use std::fmt::Write as _;

    use sha2::{Digest as _, Sha256};
    Sha256::digest(text.as_bytes()).iter().fold("sha256:".to_owned(), |mut digest, byte| {
        let _ = write!(digest, "{byte:02x}");
        digest
    })
}

fn write_files(root: &Path, token: bool) -> io::Result<()> {
    let root_text = root.display();
    let auth = if token {
        fs::write(root.join("htpasswd"), HTPASSWD)?;
        format!("auth: {{ htpasswd: {{ realm: test, path: {root_text}/htpasswd }} }}\n")
    } else {
        String::new()
    };
    fs::write(
        root.join("config.yml"),
        format!(
            "\
version: 0.1
log: {{ accesslog: {{ disabled: true }} }}
storage: {{ filesystem: {{ rootdirectory: {root_text}/data }}, delete: {{ enabled: true }} }}
http: {{ addr: \"127.0.0.1:0\" }}
{auth}"
        ),
    )
}

const NOT_INSTALLED: &str = "no registry is installed (looked for docker-registry and registry in PATH; \
                             on Debian: apt-get install docker-registry)";

fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    ["docker-registry", "registry"].iter().find_map(|name| {
        env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
    })
}

/// Checks whether tests can have a registry.
///
/// # Errors
///
/// Fails if no registry is installed.
pub fn installed() -> Result<(), &'static str> {
    if program().is_some() { Ok(()) } else { Err(NOT_INSTALLED) }
}

/// Skips the test where no registry is installed.
#[macro_export]
macro_rules! needs_registry {
    () => {
        if let Err(reason) = $crate::registry::installed() {
            $crate::skip!("registry", "{reason}");
        }
    };
}
