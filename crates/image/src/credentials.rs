//! Passwords for the registries of base images, read from where `docker login` stores them.
//!
//! Docker's own program reads `config.json`: `credHelpers` names a helper for one registry, `credsStore` one
//! for all others, and `auths` has the passwords that no helper keeps (docker/cli, `configfile`,
//! `GetAuthConfig`). A helper is a program, `docker-credential-NAME get`: it reads the registry's name and
//! writes the password as JSON (docker-credential-helpers, "Development").
//!
//! Only the registries that a build names are looked up. If one cannot be looked up, a message names it, and
//! the build goes on without its password, since a public image needs none.
//!
//! To add a place where passwords are looked for: `one`, in the order of the Docker program.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use quill_admin_files::{read_text, system};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::builder::Builder;
use crate::context::TEXT_LIMIT;
use crate::name::{Repository, split};
use crate::token::{TOKEN_USER, Token};

/// Time limit of a helper, which may have to ask a person to unlock a key chain.
const HELPER_WITHIN: Duration = Duration::from_secs(30);
/// Largest answer of a helper, in bytes.
const HELPER_LIMIT: u64 = 64 * 1024;
/// The message of a helper that has no password for a registry (docker-credential-helpers,
/// `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user name that stands for "the secret is an identity token" (docker/cli, `tokenUsername`).
const IDENTITY: &str = "<token>";

/// Docker Hub's name in names of images.
const HUB: &str = "docker.io";
/// Docker Hub's name in `config.json` and for the classic builder.
const HUB_IN_CONFIG: &str = "https://index.docker.io/v1/";
/// Docker Hub's name for `BuildKit`.
const HUB_IN_BUILDKIT: &str = "registry-1.docker.io";

/// A user name and a secret for a registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    /// The user name; empty where the secret is an identity token.
    user: String,
    secret: Zeroizing<String>,
}

impl Credential {
    fn new(user: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { user: user.into(), secret: Zeroizing::new(secret.into()) }
    }

    /// The credential in the type of the engine's client. That type shows it in its `Debug`, so it is made
    /// only where it is sent.
    fn for_engine(&self, server: &str) -> DockerCredentials {
        let secret = Some(self.secret.to_string());
        let server = Some(server.to_owned());
        if self.user.is_empty() {
            return DockerCredentials { identitytoken: secret, serveraddress: server, ..Default::default() };
        }
        DockerCredentials {
            username: Some(self.user.clone()),
            password: secret,
            serveraddress: server,
            ..Default::default()
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, …)", self.user)
    }
}

/// The passwords for the registries of a build.
#[derive(Debug, Default)]
pub(crate) struct Credentials(Vec<(String, Credential)>);

impl Credentials {
    /// The passwords by the names under which the builder looks for them.
    pub(crate) fn for_engine(&self, builder: Builder) -> Option<HashMap<String, DockerCredentials>> {
        let named = |(registry, credential): &(String, Credential)| {
            let server = match (registry.as_str(), builder) {
                (HUB, Builder::BuildKit) => HUB_IN_BUILDKIT,
                (HUB, Builder::Classic) => HUB_IN_CONFIG,
                (other, _) => other,
            };
            (server.to_owned(), credential.for_engine(server))
        };
        (!self.0.is_empty()).then(|| self.0.iter().map(named).collect())
    }
}

/// The places where passwords are looked for.
#[derive(Debug, Clone)]
pub(crate) struct CredentialStore {
    /// Docker's `config.json`.
    configuration: Option<PathBuf>,
    /// `PATH`.
    path: Option<String>,
    within: Duration,
}

/// The fields of Docker's `config.json` that are read.
#[derive(Default, Deserialize)]
struct Configuration {
    auths: Option<HashMap<String, Value>>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
    #[serde(rename = "credHelpers")]
    helpers: Option<HashMap<String, String>>,
}

/// The answer of a helper.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: String,
}

impl CredentialStore {
    /// Uses the places that `docker` uses: the folder of `DOCKER_CONFIG`, else `.docker` in the home folder.
    /// `variable` looks up an environment variable.
    pub(crate) fn new(variable: &impl Fn(&str) -> Option<String>) -> Self {
        let configuration = crate::address::folder(variable).map(|folder| folder.join("config.json"));
        Self { configuration, path: variable("PATH"), within: HELPER_WITHIN }
    }

    /// The passwords for the registries of some images. `token` is used for registries that it may be sent to
    /// and that Docker's own configuration has no password for. Failures are passed to `tell` in words.
    pub(crate) async fn find(
        &self,
        images: &[String],
        token: Option<&Token>,
        tell: &(dyn Fn(String) + Send + Sync),
    ) -> Credentials {
        let mut registries: Vec<(&str, &str)> = Vec::new();
        for image in images {
            let registry = registry(image);
            if !registries.iter().any(|(known, _)| *known == registry) {
                registries.push((registry, image));
            }
        }
        if registries.is_empty() {
            return Credentials::default();
        }
        let configuration = self.configuration().unwrap_or_else(|why| {
            tell(format!("{why}: no password for a registry is taken from it"));
            Configuration::default()
        });
        let mut found = Vec::new();
        for (registry, image) in registries {
            let own = self.one(&configuration, registry).await.unwrap_or_else(|why| {
                tell(format!("no password for the registry {registry}: {why}; going on without one"));
                None
            });
            let lent = || {
                let repository: Repository = split(image).0.parse().ok()?;
                let token = token.filter(|token| token.is_for(&repository))?;
                Some(Credential::new(TOKEN_USER, token.expose()))
            };
            if let Some(credential) = own.or_else(lent) {
                found.push((registry.to_owned(), credential));
            }
        }
        Credentials(found)
    }

    fn configuration(&self) -> Result<Configuration, String> {
        let Some(path) = &self.configuration else { return Ok(Configuration::default()) };
        match read_text(path, TEXT_LIMIT).map(Zeroizing::new) {
            // The parser's own message is not shown: it may quote the file.
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                format!("{} is not as Docker writes it (line {})", path.display(), error.line())
            }),
            Err(error) if error.is_missing() => Ok(Configuration::default()),
            Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        }
    }

    /// The password that Docker's configuration has for a registry; `Err` is the reason, in words, why it
    /// cannot be read.
    async fn one(&self, configuration: &Configuration, registry: &str) -> Result<Option<Credential>, String> {
        let server = if registry == HUB { HUB_IN_CONFIG } else { registry };
        let special = configuration.helpers.as_ref().and_then(|helpers| helpers.get(server));
        let helper = special.or(configuration.store.as_ref()).filter(|name| !name.is_empty());
        match helper {
            Some(helper) => self.ask(helper, server).await,
            None => in_file(configuration, server),
        }
    }

    /// Asks a helper for the password.
    async fn ask(&self, helper: &str, server: &str) -> Result<Option<Credential>, String> {
        let name = format!("docker-credential-{}", helper.escape_debug());
        if !helper.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            return Err(format!(
                "{name}, which Docker's config.json names for it, is not the name of a program"
            ));
        }
        let path = self.path.as_deref().unwrap_or_default();
        let program = system::program(&name, path).ok_or_else(|| {
            format!("{name}, which Docker's config.json names for it, is not in a folder of PATH")
        })?;
        let mut command = Command::new(program);
        command
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let failed = |error: std::io::Error| format!("{name} failed: {error}");
        let mut child = command.spawn().map_err(failed)?;
        let (mut input, output) = (child.stdin.take(), child.stdout.take());
        let work = async {
            if let Some(input) = &mut input {
                // A helper that does not read its input may still have an answer.
                let _ = input.write_all(server.as_bytes()).await;
            }
            drop(input.take());
            let mut text = Zeroizing::new(Vec::new());
            if let Some(output) = output {
                output.take(HELPER_LIMIT).read_to_end(&mut text).await?;
            }
            Ok((child.wait().await?, text))
        };
        let within = self.within.as_secs_f32();
        let (status, text) = timeout(self.within, work)
            .await
            .map_err(|_| format!("{name} did not answer within {within} s"))?
            .map_err(failed)?;
        if !status.success() {
            // The helper's output is not shown: it may be a secret if the helper does not work properly.
            let nothing = text.trim_ascii() == NOT_FOUND.as_bytes();
            return if nothing { Ok(None) } else { Err(format!("{name} failed: {status}")) };
        }
        let answer: Answer =
            serde_json::from_slice(&text).map_err(|_| format!("the answer of {name} cannot be read"))?;
        let secret = Zeroizing::new(answer.secret);
        if answer.user.is_empty() && secret.is_empty() {
            return Ok(None);
        }
        let user = if answer.user == IDENTITY { String::new() } else { answer.user };
        Ok(Some(Credential::new(user, secret.as_str())))
    }
}

/// The registry in an image's name. Docker's rule tells a host from a folder of Docker Hub
/// (distribution/reference, `splitDockerDomain`).
/// `splitDockerDomain`).
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some(("docker.io" | "index.docker.io", _)) | None => HUB,
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        Some(_) => HUB,
    }
}

/// The registry of an image, in the form in which a person can type it in a command.
pub(crate) fn registry_in_command(image: &str) -> &str {
    let registry = registry(image);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-".contains(&byte);
    if registry.bytes().all(plain) && !registry.starts_with('-') { registry } else { "REGISTRY" }
}

/// The password that `auths` has for a server, by its name or by an address with that host.
fn in_file(configuration: &Configuration, server: &str) -> Result<Option<Credential>, String> {
    let Some(auths) = &configuration.auths else { return Ok(None) };
    let entry = auths.get(server).or_else(|| {
        let mut same: Vec<_> = auths.iter().filter(|(name, _)| host(name) == host(server)).collect();
        same.sort_unstable_by_key(|(name, _)| *name);
        same.first().map(|(_, entry)| *entry)
    });
    let Some(entry) = entry else { return Ok(None) };
    let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credential::new("", token)));
    }
    if let Some(auth) = text("auth") {
        let unreadable = || "its entry in Docker's config.json cannot be read".to_owned();
        let plain = Zeroizing::new(STANDARD.decode(auth.trim()).map_err(|_| unreadable())?);
        let plain = std::str::from_utf8(&plain).map_err(|_| unreadable())?;
        let (user, password) = plain.split_once(':').ok_or_else(unreadable)?;
        // Docker's own reader removes them, too.
        return Ok(Some(Credential::new(user, password.trim_end_matches('\0'))));
    }
    match (text("username"), text("password")) {
        (Some(user), Some(password)) => Ok(Some(Credential::new(user, password))),
        _ if text("registrytoken").is_some() => {
            Err("its entry in Docker's config.json is a registry's token, which is not supported".to_owned())
        }
        _ => Ok(None),
    }
}

/// The host of an entry's name, which may be an address (docker/cli, `ConvertToHostname`).
fn host(name: &str) -> &str {
    let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
    name.split('/').next().unwrap_or(name)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::sync::Mutex;

    use super::*;

    const SECRET: &str = "pla?ted>secret~~";

    /// A home folder with Docker's configuration and helpers.
    struct Home(tempfile::TempDir);

    impl Home {
        fn new(configuration: &str) -> Self {
            let home = Self(tempfile::tempdir().expect("a folder"));
            fs::create_dir(home.0.path().join("bin")).expect("made");
            fs::write(home.0.path().join("config.json"), configuration).expect("written");
            home
        }

        /// Adds a helper. Another process writes it, since a file cannot be executed while this process has
        /// it open for writing.
        fn helper(self, name: &str, script: &str) -> Self {
            let path = self.0.path().join("bin").join(format!("docker-credential-{name}"));
            let made = std::process::Command::new("sh")
                .args(["-c", "printf '%s' \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"])
                .arg(&path)
                .arg(format!("#!/bin/sh\n{script}\n"))
                .status();
            assert!(made.expect("a shell").success());
            self
        }

        async fn find(&self, images: &[&str], token: Option<&Token>) -> (Credentials, Vec<String>) {
            let folder = self.0.path().display().to_string();
            let path = format!("{folder}/bin:/usr/bin:/bin");
            let mut store = CredentialStore::new(&|name: &str| match name {
                "DOCKER_CONFIG" => Some(folder.clone()),
                "PATH" => Some(path.clone()),
                _ => None,
            });
            store.within = Duration::from_secs(2);
            let told = Mutex::new(Vec::new());
            let images: Vec<String> = images.iter().map(|image| (*image).to_owned()).collect();
            let found = store.find(&images, token, &|text| told.lock().expect("unpoisoned").push(text)).await;
            let told = told.into_inner().expect("unpoisoned");
            assert!(!format!("{found:?} {told:?}").contains(SECRET), "{found:?} {told:?}");
            (found, told)
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
        }
    }

    fn shown(found: &Credentials) -> Vec<String> {
        let shown = |(registry, credential): &(String, Credential)| {
            format!("{registry} {} {}", credential.user, credential.secret.as_str())
        };
        found.0.iter().map(shown).collect()
    }

    fn entry(user: &str, secret: &str) -> String {
        format!("{{\"auth\":\"{}\"}}", STANDARD.encode(format!("{user}:{secret}")))
    }

    #[tokio::test]
    async fn passwords_are_found_where_docker_keeps_them_and_for_the_named_registries_alone() {
        let own = entry("me", SECRET);
        let home = Home::new(&format!(
            "{{\"auths\": {{\"m.example:5000\": {own}, \"https://old.example/v1/\": {own}, \
             \"https://index.docker.io/v1/\": {own}, \"other.example\": {own}, \"t.example\": \
             {{\"auth\": \"{}\", \"identitytoken\": \"{SECRET}\"}}, \"empty.example\": {{}}, \
             \"broken.example\": {{\"auth\": \"{SECRET}\"}}}}}}",
            STANDARD.encode("00000000-0000-0000-0000-000000000000:"),
        ));
        let images = [
            "m.example:5000/p/rust:1",
            "m.example:5000/p/other",
            "old.example/rust",
            "rust:1-slim",
            "library/rust",
            "t.example/x",
            "empty.example/x",
            "none.example/x",
            "broken.example/x",
        ];
        let (found, told) = home.find(&images, None).await;
        assert_eq!(
            shown(&found),
            [
                format!("m.example:5000 me {SECRET}"),
                format!("old.example me {SECRET}"),
                format!("docker.io me {SECRET}"),
                format!("t.example  {SECRET}"),
            ]
        );
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("broken.example") && told[0].contains("going on without one"), "{told:?}");
        // Each builder uses a name of its own for Docker Hub.
        let names = |builder| found.for_engine(builder).expect("some");
        assert!(names(Builder::BuildKit).contains_key("registry-1.docker.io"));
        assert!(names(Builder::Classic).contains_key("https://index.docker.io/v1/"));
        let token = &names(Builder::BuildKit)["t.example"];
        assert_eq!((token.identitytoken.as_deref(), token.password.as_deref()), (Some(SECRET), None));
        let (none, told) = home.find(&[], None).await;
        assert!(none.for_engine(Builder::BuildKit).is_none() && told.is_empty());
    }

    #[tokio::test]
    async fn a_helper_is_asked_as_docker_asks_it() {
        let answer = |user: &str| format!("echo '{{\"Username\":\"{user}\",\"Secret\":\"{SECRET}\"}}'");
        let note = "echo \"$0 $*\" >> \"${0%/*}/../asked\"; cat >> \"${0%/*}/../asked\"";
        let home = Home::new(
            "{\"auths\": {\"a.example\": {}}, \"credsStore\": \"all\", \"credHelpers\": \
             {\"b.example\": \"one\", \"c.example\": \"\"}}",
        )
        .helper("all", &format!("{note}; {}", answer("<token>")))
        .helper("one", &format!("{note}; {}", answer("me")));
        let (found, told) = home.find(&["a.example/x", "b.example/x", "c.example/x", "rust"], None).await;
        assert_eq!(told, Vec::<String>::new());
        assert_eq!(
            shown(&found),
            [
                format!("a.example  {SECRET}"),
                format!("b.example me {SECRET}"),
                format!("docker.io  {SECRET}"),
            ],
            "the empty name of a helper stands for none"
        );
        let asked = home.read("asked");
        assert!(asked.contains("docker-credential-one get\nb.example"), "{asked}");
        assert!(asked.contains("docker-credential-all get\nhttps://index.docker.io/v1/"), "{asked}");
        assert!(!asked.contains(SECRET), "{asked}");
    }

    #[tokio::test]
    async fn a_helper_that_fails_is_told_by_name_and_the_others_still_count() {
        let helpers: String = ["fails", "hangs", "mad", "missing", "nothing", "../up", "deaf"]
            .map(|name| format!("\"{}.example\": \"{name}\"", name.trim_start_matches("../")))
            .join(", ");
        let home = Home::new(&format!("{{\"credHelpers\": {{{helpers}}}}}"))
            .helper("fails", &format!("echo '{{\"Secret\":\"{SECRET}\"}}'; echo '{SECRET}' >&2; exit 3"))
            .helper("hangs", "sleep 600")
            .helper("mad", &format!("echo '{{\"Secret\":\"{SECRET}\"'"))
            .helper("nothing", "echo 'credentials not found in native keychain'; exit 1")
            // This helper neither reads nor closes its input.
            .helper("deaf", "exec 0<&-; echo '{\"Username\":\"me\",\"Secret\":\"s\"}'");
        let images = ["fails", "hangs", "mad", "missing", "nothing", "up", "deaf"]
            .map(|name| format!("{name}.example/x"));
        let images: Vec<&str> = images.iter().map(String::as_str).collect();
        let (found, told) = home.find(&images, None).await;
        assert_eq!(shown(&found), ["deaf.example me s"]);
        let all = told.join("\n");
        for part in [
            "fails.example: docker-credential-fails failed: exit status: 3",
            "hangs.example: docker-credential-hangs did not answer within 2 s",
            "mad.example: the answer of docker-credential-mad cannot be read",
            "missing.example: docker-credential-missing, which Docker's config.json names for it, is not in a folder",
            "up.example: docker-credential-../up, which Docker's config.json names for it, is not the name",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert_eq!(told.len(), 5, "{all}");
    }

    #[tokio::test]
    async fn our_own_token_is_for_whom_it_may_go_to_and_only_where_docker_has_nothing() {
        let token =
            Token::new(SECRET.to_owned(), |url| url.host_str() == Some("europe-west2-docker.pkg.dev"));
        let images = ["europe-west2-docker.pkg.dev/p/m/rust:1", "m.example/rust:1", "rust:1"];
        let (found, _) = Home::new("{}").find(&images, Some(&token)).await;
        assert_eq!(shown(&found), [format!("europe-west2-docker.pkg.dev {TOKEN_USER} {SECRET}")]);
        let own = format!("{{\"auths\": {{\"europe-west2-docker.pkg.dev\": {}}}}}", entry("me", "mine"));
        let (found, _) = Home::new(&own).find(&images, Some(&token)).await;
        assert_eq!(shown(&found), ["europe-west2-docker.pkg.dev me mine"]);
        // A file that cannot be read is reported, and not quoted; the token is still used.
        let (found, told) =
            Home::new(&format!("{{\"auths\": \"{SECRET}\"}}")).find(&images, Some(&token)).await;
        assert_eq!(found.0.len(), 1);
        assert!(told[0].contains("config.json is not as Docker writes it"), "{told:?}");
    }
}
