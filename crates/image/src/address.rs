//! Where the Docker engine is, found out as the `docker` program does.

use std::fmt;
use std::path::{Path, PathBuf};

use quill_admin_files::read_text;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::context::TEXT_LIMIT;
use crate::error::{ImageError, ImageErrorKind};

const DOING: &str = "reach the Docker engine";
const USUAL: &str =
    if cfg!(windows) { "npipe:////./pipe/docker_engine" } else { "unix:///var/run/docker.sock" };
/// The context that stands for `DOCKER_HOST` or the usual socket. It has no file.
const DEFAULT: &str = "default";

/// Where an engine is, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    url: String,
    origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// Where it usually is.
    Usual,
    /// `DOCKER_HOST`.
    Host,
    /// A context of this name.
    Context(String),
}

impl Address {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn into_url(self) -> String {
        self.url
    }

    /// What to do where nothing answers.
    pub(crate) fn hint(&self) -> String {
        if self.origin == Origin::Usual || self.url == USUAL {
            return if cfg!(target_os = "linux") {
                "start it with: sudo systemctl start docker".to_owned()
            } else {
                "start Docker Desktop, or set DOCKER_HOST to the engine's address".to_owned()
            };
        }
        let there = match self.scheme() {
            "tcp" | "http" => "check that an engine listens there and that this machine reaches it",
            _ => "start what serves it (Docker Desktop, Colima, Podman, rootless Docker)",
        };
        match &self.origin {
            Origin::Context(name) => {
                format!(
                    "{there}, or choose another context than \"{}\": docker context ls",
                    name.escape_debug()
                )
            }
            _ => format!("{there}, or use this machine's own engine: unset DOCKER_HOST"),
        }
    }

    fn scheme(&self) -> &str {
        self.url.split_once("://").map_or("", |(scheme, _)| scheme)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url.escape_debug())?;
        match &self.origin {
            Origin::Context(name) => write!(f, " (Docker context \"{}\")", name.escape_debug()),
            Origin::Usual | Origin::Host => Ok(()),
        }
    }
}

/// The engine's address, in the order of Docker's own program (docker/cli, `resolveContextName`):
/// `DOCKER_HOST`; the context of `DOCKER_CONTEXT`; the current one of its configuration (Docker Desktop,
/// Colima and others each make one); the usual socket, or Docker Desktop's own. A context that is not
/// there is an error, as it is for `docker`: another engine was meant.
pub(crate) fn find(variable: &impl Fn(&str) -> Option<String>) -> Result<Address, ImageError> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(host) = given("DOCKER_HOST") {
        let tls = given("DOCKER_TLS_VERIFY").map(|_| "DOCKER_TLS_VERIFY");
        return supported(host, Origin::Host, tls);
    }
    let home = given("HOME").map(PathBuf::from);
    let folder = given("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".docker")));
    let named = given("DOCKER_CONTEXT");
    let named_by = if named.is_some() { "DOCKER_CONTEXT" } else { "currentContext of Docker's config.json" };
    let named = match (named, &folder) {
        (None, Some(folder)) => current_context(folder)?,
        (named, _) => named,
    };
    if let Some(name) = named.filter(|name| name != DEFAULT) {
        let missing = || {
            let hint = if named_by == "DOCKER_CONTEXT" {
                "see which there are with: docker context ls, or unset DOCKER_CONTEXT"
            } else {
                "choose one that is there with: docker context use default"
            };
            refused(format!("{named_by} names \"{}\", and there is no such context", name.escape_debug()))
                .hint(hint)
        };
        let context = context(&folder.ok_or_else(missing)?, &name)?.ok_or_else(missing)?;
        let tls = context.tls.then_some("its context");
        if !context.host.is_empty() {
            return supported(context.host, Origin::Context(name), tls);
        }
    }
    if !cfg!(windows)
        && !Path::new("/var/run/docker.sock").exists()
        && let Some(own) = home.map(|home| home.join(".docker/run/docker.sock")).filter(|own| own.exists())
    {
        return Ok(Address { url: format!("unix://{}", own.display()), origin: Origin::Usual });
    }
    Ok(Address { url: USUAL.to_owned(), origin: Origin::Usual })
}

fn refused(message: String) -> ImageError {
    ImageError::new(ImageErrorKind::EngineAddress, DOING, message)
}

/// Whether an engine there can be spoken to; `tls` is what asks for encryption.
fn supported(url: String, origin: Origin, tls: Option<&str>) -> Result<Address, ImageError> {
    let address = Address { url, origin };
    let told = match &address.origin {
        Origin::Context(name) => {
            format!("the Docker context \"{}\" is at \"{}\"", name.escape_debug(), address.url.escape_debug())
        }
        Origin::Usual | Origin::Host => format!("DOCKER_HOST is \"{}\"", address.url.escape_debug()),
    };
    let choose = match &address.origin {
        Origin::Context(_) => "choose another context with: docker context use NAME",
        Origin::Usual | Origin::Host => "unset DOCKER_HOST to use this machine's own engine",
    };
    match address.scheme() {
        "unix" | "npipe" => Ok(address),
        "tcp" | "http" => match tls {
            // Never without encryption where a person asked for it.
            Some(asks) => Err(refused(format!("{told} and {asks} asks for TLS, which is not supported"))
                .hint(format!("{choose}, or forward the engine's socket and set DOCKER_HOST to it"))),
            None => Ok(address),
        },
        "ssh" => {
            // The host as it stands, if it can stand in a command.
            let host = address.url.trim_start_matches("ssh://").split('/').next().unwrap_or_default();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_".contains(&byte);
            let host = if !host.is_empty() && !host.starts_with('-') && host.bytes().all(plain) {
                host
            } else {
                "HOST"
            };
            Err(refused(format!("{told}: ssh:// is not supported")).hint(format!(
                "forward its socket with: ssh -nNT -L /tmp/docker-remote.sock:/var/run/docker.sock {host}, \
                 then set DOCKER_HOST=unix:///tmp/docker-remote.sock"
            )))
        }
        "https" => Err(refused(format!("{told}: TLS is not supported"))
            .hint(format!("{choose}, or forward the engine's socket and set DOCKER_HOST to it"))),
        _ => Err(refused(format!("{told}: only unix://, tcp:// and npipe:// are supported")).hint(choose)),
    }
}

/// What is read of Docker's `config.json`.
#[derive(Deserialize)]
struct Configuration {
    #[serde(rename = "currentContext", default)]
    current_context: Option<String>,
}

fn current_context(folder: &Path) -> Result<Option<String>, ImageError> {
    let path = folder.join("config.json");
    let configuration: Option<Configuration> = json(&path)?;
    Ok(configuration.and_then(|configuration| configuration.current_context).filter(|name| !name.is_empty()))
}

struct Context {
    host: String,
    /// It has certificates, or says that they are not to be checked: it is spoken to with TLS.
    tls: bool,
}

/// A context, or `None`. Docker keeps it below the SHA-256 of its name.
fn context(folder: &Path, name: &str) -> Result<Option<Context>, ImageError> {
    let id = hex::encode(Sha256::digest(name.as_bytes()));
    let path = folder.join("contexts/meta").join(&id).join("meta.json");
    let Some(meta) = json::<Value>(&path)? else { return Ok(None) };
    let endpoint = &meta["Endpoints"]["docker"];
    let certificates = folder.join("contexts/tls").join(&id).join("docker");
    Ok(Some(Context {
        host: endpoint["Host"].as_str().unwrap_or_default().to_owned(),
        tls: endpoint["SkipTLSVerify"].as_bool() == Some(true) || certificates.exists(),
    }))
}

/// A file of Docker's, or `None` where there is none. One that cannot be read is an error: what it
/// would have said is not known.
fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, ImageError> {
    let failed = |error: String| {
        refused(format!("{} cannot be read: {error}", path.display()))
            .hint("mend that file, or set DOCKER_HOST to the engine's address")
    };
    match read_text(path, TEXT_LIMIT) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| failed(error.to_string())),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A home with Docker's configuration in it.
    struct Home(tempfile::TempDir);

    impl Home {
        fn new(configuration: &str) -> Self {
            let home = Self(tempfile::tempdir().expect("a folder"));
            fs::create_dir_all(home.docker()).expect("made");
            fs::write(home.docker().join("config.json"), configuration).expect("written");
            home
        }

        fn docker(&self) -> PathBuf {
            self.0.path().join(".docker")
        }

        /// A context, with this endpoint.
        fn context(&self, name: &str, endpoint: &Value) -> String {
            let id = hex::encode(Sha256::digest(name.as_bytes()));
            let meta = self.docker().join("contexts/meta").join(&id);
            fs::create_dir_all(&meta).expect("made");
            let text = serde_json::json!({"Name": name, "Endpoints": {"docker": endpoint}});
            fs::write(meta.join("meta.json"), text.to_string()).expect("written");
            id
        }

        fn find(&self, variables: &[(&str, &str)]) -> Result<Address, ImageError> {
            let home = self.0.path().display().to_string();
            find(&|name: &str| {
                let given = variables.iter().find(|(variable, _)| *variable == name);
                let given = given.map(|(_, value)| (*value).to_owned());
                given.or_else(|| (name == "HOME").then(|| home.clone()))
            })
        }

        #[track_caller]
        fn refuses(&self, variables: &[(&str, &str)]) -> String {
            let error = self.find(variables).expect_err("refused");
            assert_eq!(error.kind, ImageErrorKind::EngineAddress);
            let told = error.to_string();
            format!("{told}; {}", error.hint.expect("it says what to do"))
        }
    }

    #[test]
    fn the_engine_is_looked_for_where_docker_looks() {
        let home = Home::new(r#"{"currentContext": "colima"}"#);
        let id = home.context("colima", &serde_json::json!({"Host": "unix:///colima.sock"}));
        // As `docker context` names the folder.
        assert_eq!(id, "f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16");
        home.context("other", &serde_json::json!({"Host": "unix:///other.sock"}));
        let url = |variables: &[(&str, &str)]| home.find(variables).expect("found").into_url();
        assert_eq!(url(&[]), "unix:///colima.sock");
        assert_eq!(url(&[("DOCKER_CONTEXT", "")]), "unix:///colima.sock");
        assert_eq!(url(&[("DOCKER_CONTEXT", "other")]), "unix:///other.sock");
        assert_eq!(url(&[("DOCKER_CONTEXT", "default")]), USUAL);
        // The host goes before every context, be there such a one or not.
        let tcp = ("DOCKER_HOST", "tcp://127.0.0.1:2375");
        assert_eq!(url(&[tcp, ("DOCKER_CONTEXT", "other")]), "tcp://127.0.0.1:2375");
        assert_eq!(url(&[tcp, ("DOCKER_CONTEXT", "nosuch")]), "tcp://127.0.0.1:2375");
        assert_eq!(find(&|_: &str| None).expect("found").url(), USUAL);
        assert_eq!(Home::new("{}").find(&[]).expect("found").url(), USUAL);
    }

    #[test]
    fn a_context_that_is_not_there_is_an_error() {
        let home = Home::new(r#"{"currentContext": "gone"}"#);
        assert_eq!(
            home.refuses(&[("DOCKER_CONTEXT", "nosuch")]),
            "failed to reach the Docker engine: DOCKER_CONTEXT names \"nosuch\", and there is no such \
             context; see which there are with: docker context ls, or unset DOCKER_CONTEXT"
        );
        assert_eq!(
            home.refuses(&[]),
            "failed to reach the Docker engine: currentContext of Docker's config.json names \"gone\", and \
             there is no such context; choose one that is there with: docker context use default"
        );
        let error = find(&|name: &str| (name == "DOCKER_CONTEXT").then(|| "nosuch".to_owned()));
        assert_eq!(error.expect_err("no home at all").kind, ImageErrorKind::EngineAddress);
        // What cannot be read is not told as "is not there".
        for broken in ["{", r#"{"currentContext": 5}"#] {
            let told = Home::new(broken).refuses(&[]);
            assert!(told.contains("config.json cannot be read: "), "{told}");
        }
        let meta = home.context("broken", &serde_json::json!({}));
        fs::write(home.docker().join("contexts/meta").join(meta).join("meta.json"), "[").expect("written");
        let told = home.refuses(&[("DOCKER_CONTEXT", "broken")]);
        assert!(told.contains("meta.json cannot be read: "), "{told}");
    }

    #[test]
    fn what_cannot_be_spoken_to_is_refused_by_name() {
        let home = Home::new("{}");
        let told = home.refuses(&[("DOCKER_HOST", "ssh://me@build.example.org")]);
        assert_eq!(
            told,
            "failed to reach the Docker engine: DOCKER_HOST is \"ssh://me@build.example.org\": ssh:// is not \
             supported; forward its socket with: ssh -nNT -L \
             /tmp/docker-remote.sock:/var/run/docker.sock me@build.example.org, then set \
             DOCKER_HOST=unix:///tmp/docker-remote.sock"
        );
        // Nothing of a strange host gets into a command.
        let told = home.refuses(&[("DOCKER_HOST", "ssh://-oProxyCommand=x")]);
        assert!(told.contains("docker.sock HOST, "), "{told}");
        let tls = home.refuses(&[("DOCKER_HOST", "tcp://h:2376"), ("DOCKER_TLS_VERIFY", "1")]);
        assert!(tls.contains("DOCKER_TLS_VERIFY asks for TLS, which is not supported"), "{tls}");
        assert!(home.refuses(&[("DOCKER_HOST", "https://h")]).contains("TLS is not supported"));
        assert!(home.refuses(&[("DOCKER_HOST", "fd://")]).contains("only unix://, tcp:// and npipe://"));

        home.context("far", &serde_json::json!({"Host": "ssh://far"}));
        let told = home.refuses(&[("DOCKER_CONTEXT", "far")]);
        assert!(told.contains("the Docker context \"far\" is at \"ssh://far\": ssh:// is not"), "{told}");
        home.context("unchecked", &serde_json::json!({"Host": "tcp://h:1", "SkipTLSVerify": true}));
        let told = home.refuses(&[("DOCKER_CONTEXT", "unchecked")]);
        assert!(told.contains("its context asks for TLS"), "{told}");
        let id = home.context("certified", &serde_json::json!({"Host": "tcp://h:1"}));
        assert_eq!(home.find(&[("DOCKER_CONTEXT", "certified")]).expect("found").url(), "tcp://h:1");
        fs::create_dir_all(home.docker().join("contexts/tls").join(id).join("docker")).expect("made");
        let told = home.refuses(&[("DOCKER_CONTEXT", "certified")]);
        assert!(told.contains("its context asks for TLS"), "{told}");
    }

    #[test]
    fn hints_fit_the_host() {
        let home = Home::new("{}");
        let hint = |host: &str| home.find(&[("DOCKER_HOST", host)]).expect("supported").hint();
        assert!(hint("tcp://10.0.0.9:2375").starts_with("check that an engine listens there"));
        assert!(hint("unix:///nowhere.sock").ends_with("unset DOCKER_HOST"));
        assert!(!hint(USUAL).contains("DOCKER_HOST") || !cfg!(target_os = "linux"), "{}", hint(USUAL));
        home.context("colima", &serde_json::json!({"Host": "unix:///colima.sock"}));
        let colima = home.find(&[("DOCKER_CONTEXT", "colima")]).expect("found");
        assert!(colima.hint().contains("another context than \"colima\""), "{}", colima.hint());
        assert_eq!(colima.to_string(), "unix:///colima.sock (Docker context \"colima\")");
    }
}
