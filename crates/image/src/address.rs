//! Finds the Docker engine's address in the same way as the `docker` program.
//!
//! To add a form of address: `supported`, and the connection to it in `engine.rs`. To add a place that names one:
//! [`find`], in the order of Docker's program, and `Origin` for the messages.

use std::fmt;
use std::path::{Path, PathBuf};

use quill_admin_files::read_text;
use quill_admin_files::system::{HOME, unset_variable};
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

/// The address of an engine, and the source that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    url: String,
    origin: Origin,
    /// The folder with `ca.pem`, and perhaps `cert.pem` and `key.pem`, where TLS is used.
    tls: Option<PathBuf>,
}

/// Whether TLS is used for an engine.
enum Tls {
    No,
    /// TLS with certificates from this folder; the text names the setting that asks for it.
    Checked(PathBuf, &'static str),
    /// TLS without checking the engine's certificate, which is refused. The text names the setting that asks
    /// for it.
    Unchecked(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// The usual address.
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

    /// The folder with the certificates, where TLS is used.
    pub(crate) fn tls(&self) -> Option<&Path> {
        self.tls.as_deref()
    }

    /// Advice for the case that no engine answers.
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
            _ => format!("{there}, or use this machine's own engine: {}", unset_variable("DOCKER_HOST")),
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
/// Colima and others each make one); the usual socket, or Docker Desktop's own. A context that does not exist
/// is an error, as it is for `docker`: another engine was meant.
pub(crate) fn find(variable: &impl Fn(&str) -> Option<String>) -> Result<Address, ImageError> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(host) = given("DOCKER_HOST") {
        // Docker's own program uses the folder only where TLS is asked for, too.
        let certificates = || given("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| folder(variable));
        let tls = match (given("DOCKER_TLS_VERIFY"), given("DOCKER_TLS")) {
            (Some(_), _) => Tls::Checked(certificates().unwrap_or_default(), "DOCKER_TLS_VERIFY"),
            (None, Some(_)) => Tls::Unchecked("DOCKER_TLS without DOCKER_TLS_VERIFY"),
            (None, None) => Tls::No,
        };
        return supported(host, Origin::Host, tls);
    }
    let home = given(HOME).map(PathBuf::from);
    let folder = folder(variable);
    let named = given("DOCKER_CONTEXT");
    let named_by = if named.is_some() { "DOCKER_CONTEXT" } else { "currentContext of Docker's config.json" };
    let named = match (named, &folder) {
        (None, Some(folder)) => current_context(folder)?,
        (named, _) => named,
    };
    if let Some(name) = named.filter(|name| name != DEFAULT) {
        let missing = || {
            let hint = if named_by == "DOCKER_CONTEXT" {
                format!(
                    "see which there are with: docker context ls, or {}",
                    unset_variable("DOCKER_CONTEXT")
                )
            } else {
                "choose one that is there with: docker context use default".to_owned()
            };
            refused(format!("{named_by} names \"{}\", and there is no such context", name.escape_debug()))
                .hint(hint)
        };
        let context = context(&folder.ok_or_else(missing)?, &name)?.ok_or_else(missing)?;
        if !context.host.is_empty() {
            return supported(context.host, Origin::Context(name), context.tls);
        }
    }
    if !cfg!(windows)
        && !Path::new("/var/run/docker.sock").exists()
        && let Some(own) = home.map(|home| home.join(".docker/run/docker.sock")).filter(|own| own.exists())
    {
        return Ok(Address { url: format!("unix://{}", own.display()), origin: Origin::Usual, tls: None });
    }
    Ok(Address { url: USUAL.to_owned(), origin: Origin::Usual, tls: None })
}

/// The folder of Docker's configuration: that of `DOCKER_CONFIG`, else `.docker` in the home folder.
pub(crate) fn folder(variable: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("DOCKER_CONFIG").or_else(|| Some(given(HOME)?.join(".docker")))
}

fn refused(message: String) -> ImageError {
    ImageError::new(ImageErrorKind::EngineAddress, DOING, message)
}

/// Checks whether an engine at this address can be used, with TLS or without.
fn supported(url: String, origin: Origin, tls: Tls) -> Result<Address, ImageError> {
    let mut address = Address { url, origin, tls: None };
    let told = match &address.origin {
        Origin::Context(name) => {
            format!("the Docker context \"{}\" is at \"{}\"", name.escape_debug(), address.url.escape_debug())
        }
        Origin::Usual | Origin::Host => format!("DOCKER_HOST is \"{}\"", address.url.escape_debug()),
    };
    let choose = match &address.origin {
        Origin::Context(_) => "choose another context with: docker context use NAME".to_owned(),
        Origin::Usual | Origin::Host => {
            format!("{} to use this machine's own engine", unset_variable("DOCKER_HOST"))
        }
    };
    match address.scheme() {
        "unix" | "npipe" => Ok(address),
        "tcp" | "http" => match tls {
            Tls::No => Ok(address),
            Tls::Checked(folder, asks) => {
                complete(&folder).map_err(|lacks| {
                    refused(format!("{told} and {asks} asks for TLS, and {} {lacks}", folder.display())).hint(
                        match address.origin {
                            Origin::Context(_) => choose,
                            _ => {
                                "set DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem".to_owned()
                            }
                        },
                    )
                })?;
                address.tls = Some(folder);
                Ok(address)
            }
            // A connection must never be less secure than a person may think.
            Tls::Unchecked(asks) => Err(refused(format!(
                "{told} and {asks} asks for TLS without a look at the engine's certificate, which is not supported"
            ))
            .hint(format!("{choose}, or set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"))),
        },
        "ssh" => {
            // The host is named unchanged, if it can stand in a command.
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
        "https" => Err(refused(format!("{told}: https:// is not supported"))
            .hint("write tcp:// in place of https://, and set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH")),
        _ => Err(refused(format!("{told}: only unix://, tcp:// and npipe:// are supported")).hint(choose)),
    }
}

/// Whether a folder has the certificates that TLS needs; `Err` names the missing one. An engine may accept a
/// client without a certificate; a certificate without its key is a mistake.
fn complete(folder: &Path) -> Result<(), &'static str> {
    let has = |name: &str| folder.join(name).is_file();
    match (has("ca.pem"), has("cert.pem"), has("key.pem")) {
        (false, _, _) => Err("has no ca.pem, by which the engine's certificate is known"),
        (true, true, false) => Err("has cert.pem and no key.pem"),
        (true, false, true) => Err("has key.pem and no cert.pem"),
        (true, _, _) => Ok(()),
    }
}

/// The fields of Docker's `config.json` that are read.
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
    tls: Tls,
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
        tls: match (endpoint["SkipTLSVerify"].as_bool(), certificates.exists()) {
            (Some(true), _) => Tls::Unchecked("its context"),
            (_, true) => Tls::Checked(certificates, "its context"),
            (_, false) => Tls::No,
        },
    }))
}

/// A file of Docker's, or `None` where there is none. One that cannot be read is an error, since its settings
/// are unknown.
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
                given.or_else(|| (name == HOME).then(|| home.clone()))
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
        // `docker context` gives the folder this name.
        assert_eq!(id, "f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16");
        home.context("other", &serde_json::json!({"Host": "unix:///other.sock"}));
        let url = |variables: &[(&str, &str)]| home.find(variables).expect("found").into_url();
        assert_eq!(url(&[]), "unix:///colima.sock");
        assert_eq!(url(&[("DOCKER_CONTEXT", "")]), "unix:///colima.sock");
        assert_eq!(url(&[("DOCKER_CONTEXT", "other")]), "unix:///other.sock");
        assert_eq!(url(&[("DOCKER_CONTEXT", "default")]), USUAL);
        // The host takes precedence over every context, whether it exists or not.
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
            format!(
                "failed to reach the Docker engine: DOCKER_CONTEXT names \"nosuch\", and there is no such \
                 context; see which there are with: docker context ls, or {}",
                unset_variable("DOCKER_CONTEXT")
            )
        );
        assert_eq!(
            home.refuses(&[]),
            "failed to reach the Docker engine: currentContext of Docker's config.json names \"gone\", and \
             there is no such context; choose one that is there with: docker context use default"
        );
        let error = find(&|name: &str| (name == "DOCKER_CONTEXT").then(|| "nosuch".to_owned()));
        assert_eq!(error.expect_err("no home at all").kind, ImageErrorKind::EngineAddress);
        // A file that cannot be read is not reported as missing.
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
        // A strange host does not get into a command.
        let told = home.refuses(&[("DOCKER_HOST", "ssh://-oProxyCommand=x")]);
        assert!(told.contains("docker.sock HOST, "), "{told}");
        assert!(home.refuses(&[("DOCKER_HOST", "https://h")]).contains("https:// is not supported"));
        assert!(home.refuses(&[("DOCKER_HOST", "fd://")]).contains("only unix://, tcp:// and npipe://"));

        home.context("far", &serde_json::json!({"Host": "ssh://far"}));
        let told = home.refuses(&[("DOCKER_CONTEXT", "far")]);
        assert!(told.contains("the Docker context \"far\" is at \"ssh://far\": ssh:// is not"), "{told}");
        home.context("unchecked", &serde_json::json!({"Host": "tcp://h:1", "SkipTLSVerify": true}));
        let told = home.refuses(&[("DOCKER_CONTEXT", "unchecked")]);
        assert!(told.contains("its context asks for TLS without a look"), "{told}");
        let id = home.context("certified", &serde_json::json!({"Host": "tcp://h:1"}));
        assert_eq!(home.find(&[("DOCKER_CONTEXT", "certified")]).expect("found").url(), "tcp://h:1");
        fs::create_dir_all(home.docker().join("contexts/tls").join(id).join("docker")).expect("made");
        let told = home.refuses(&[("DOCKER_CONTEXT", "certified")]);
        assert!(told.contains("its context asks for TLS, and ") && told.contains("has no ca.pem"), "{told}");
    }

    #[test]
    fn an_engine_with_tls_is_spoken_to_with_the_certificates_that_docker_would_take() {
        let home = Home::new("{}");
        let folder = home.0.path().join("certificates");
        fs::create_dir(&folder).expect("made");
        let text = folder.display().to_string();
        let asked =
            [("DOCKER_HOST", "tcp://h:2376"), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", &text)];
        let told = home.refuses(&asked);
        assert!(
            told.contains("DOCKER_TLS_VERIFY asks for TLS, and ") && told.contains("has no ca.pem"),
            "{told}"
        );
        assert!(told.contains("set DOCKER_CERT_PATH"), "{told}");
        fs::write(folder.join("ca.pem"), "").expect("written");
        assert_eq!(home.find(&asked).expect("found").tls(), Some(folder.as_path()));
        fs::write(folder.join("key.pem"), "").expect("written");
        assert!(home.refuses(&asked).contains("has key.pem and no cert.pem"));
        fs::write(folder.join("cert.pem"), "").expect("written");
        assert_eq!(home.find(&asked).expect("found").tls(), Some(folder.as_path()));
        // A folder alone does not ask for TLS, and a setting that asks for TLS without checks is refused.
        assert_eq!(home.find(&[asked[0], asked[2]]).expect("found").tls(), None);
        let told = home.refuses(&[asked[0], ("DOCKER_TLS", "1"), asked[2]]);
        assert!(told.contains("DOCKER_TLS without DOCKER_TLS_VERIFY asks for TLS without a look"), "{told}");
        // Without the variable, Docker's own folder is used.
        fs::write(home.docker().join("ca.pem"), "").expect("written");
        assert_eq!(home.find(&asked[..2]).expect("found").tls(), Some(home.docker().as_path()));

        let id = home.context("far", &serde_json::json!({"Host": "tcp://h:2376"}));
        let own = home.docker().join("contexts/tls").join(id).join("docker");
        fs::create_dir_all(&own).expect("made");
        fs::write(own.join("ca.pem"), "").expect("written");
        let found = home.find(&[("DOCKER_CONTEXT", "far"), ("DOCKER_CERT_PATH", &text)]).expect("found");
        assert_eq!((found.url(), found.tls()), ("tcp://h:2376", Some(own.as_path())));
    }

    #[test]
    fn hints_fit_the_host() {
        let home = Home::new("{}");
        let hint = |host: &str| home.find(&[("DOCKER_HOST", host)]).expect("supported").hint();
        assert!(hint("tcp://10.0.0.9:2375").starts_with("check that an engine listens there"));
        assert!(hint("unix:///nowhere.sock").ends_with(&unset_variable("DOCKER_HOST")));
        assert!(!hint(USUAL).contains("DOCKER_HOST") || !cfg!(target_os = "linux"), "{}", hint(USUAL));
        home.context("colima", &serde_json::json!({"Host": "unix:///colima.sock"}));
        let colima = home.find(&[("DOCKER_CONTEXT", "colima")]).expect("found");
        assert!(colima.hint().contains("another context than \"colima\""), "{}", colima.hint());
        assert_eq!(colima.to_string(), "unix:///colima.sock (Docker context \"colima\")");
    }
}
