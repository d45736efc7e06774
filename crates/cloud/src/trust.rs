//! The hosts that an access token may be sent to.
//!
//! An access token is a bearer token: whoever receives it can act as the person until it expires. The
//! addresses of services come from a settings file, which somebody else may have written. So a token is
//! attached to a request only if the host is Google's, or if the person has named it.
//!
//! To trust another domain of Google: `GOOGLE`. To change which addresses are allowed: [`TrustedHosts::allow`].

use std::net::IpAddr;

use url::{Host, Url};

use crate::error::{CloudError, CloudErrorKind};

/// The domain of Google's APIs, unless a person works in another universe.
const DEFAULT_UNIVERSE: &str = "googleapis.com";
/// The domains below which Google alone has hosts: its APIs, Artifact Registry, and Container Registry.
const GOOGLE: [&str; 3] = [DEFAULT_UNIVERSE, "pkg.dev", "gcr.io"];

/// The hosts that an access token may be sent to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedHosts {
    /// Hosts that the person named. A name that begins with a dot stands for all hosts below it.
    pub named: Vec<String>,
    /// The domain of the universe that the person named ("universe domain" in Google's clients): every
    /// host below it.
    pub universe: Option<String>,
    /// Whether addresses of this machine are trusted. Any program may listen there, so the caller decides.
    pub loopback: bool,
}

impl TrustedHosts {
    /// Whether a token may be sent to this address. Plain HTTP, which can be read on the way, is allowed for
    /// this machine only.
    #[must_use]
    pub fn allow(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        let loopback = is_loopback(&host);
        match url.scheme() {
            "https" => (loopback && self.loopback) || self.allow_host(&host.to_string()),
            "http" => loopback && (self.loopback || self.is_named(&host.to_string())),
            _ => false,
        }
    }

    /// Whether a host is one of Google's own, or one that the person named. `host` has the form that it has
    /// in an address, without the port.
    #[must_use]
    pub fn allow_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let universe = self.universe.as_deref().filter(|domain| !domain.is_empty());
        GOOGLE.into_iter().chain(universe).any(|domain| is_below(&host, domain)) || self.is_named(&host)
    }

    fn is_named(&self, host: &str) -> bool {
        self.named.iter().any(|named| {
            let named = named.to_ascii_lowercase();
            match named.strip_prefix('.') {
                Some(domain) => host.len() > named.len() && is_below(host, domain),
                None => host == named || host.trim_matches(['[', ']']) == named,
            }
        })
    }
}

/// Returns an error for an address that an access token must not be sent to.
pub(crate) fn check(hosts: &TrustedHosts, address: &str) -> Result<(), CloudError> {
    let url = Url::parse(address).ok();
    if url.as_ref().is_some_and(|url| hosts.allow(url)) {
        return Ok(());
    }
    let host = url.as_ref().and_then(Url::host_str).unwrap_or(address);
    let message = format!(
        "{} is neither one of Google's hosts nor one that was named as trusted; nothing was sent",
        host.escape_debug()
    );
    Err(CloudError::of(CloudErrorKind::UntrustedHost, "attach the access token", message))
}

/// Whether a host is the domain itself or below it.
fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether a host is this machine.
#[must_use]
pub fn is_loopback(host: &Host<&str>) -> bool {
    match *host {
        // On some systems names below `localhost` are looked up by a name server.
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(address).is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Whether an address, given as text, is on this machine. A text that is no address is not.
#[must_use]
pub fn is_on_loopback(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.host().is_some_and(|host| is_loopback(&host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &TrustedHosts, url: &str) -> bool {
        hosts.allow(&Url::parse(url).expect("an address"))
    }

    #[test]
    fn a_token_goes_to_google() {
        let hosts = TrustedHosts::default();
        for url in [
            "https://run.googleapis.com/v2/x",
            "https://europe-west2-run.googleapis.com",
            "https://googleapis.com",
            "https://europe-west2-docker.pkg.dev/v2/",
            "https://eu.gcr.io/v2/token",
            "https://RUN.GoogleAPIs.com",
        ] {
            assert!(allowed(&hosts, url), "{url}");
        }
        for url in [
            "http://run.googleapis.com",
            "https://run.googleapis.com.attacker.example",
            "https://attacker-googleapis.com",
            "https://googleapis.com@attacker.example",
            "https://attacker.example/googleapis.com",
            "https://attacker.example",
            "https://evil-pkg.dev",
            "https://ghcr.io",
            "https://run.app",
            "https://127.0.0.1:8085",
            "http://127.0.0.1:8085",
            "https://localhost:1",
            "https://10.0.0.1",
        ] {
            assert!(!allowed(&hosts, url), "{url}");
        }
    }

    #[test]
    fn what_is_named_is_trusted_and_nothing_else() {
        let hosts = TrustedHosts {
            named: vec!["gateway.example.org".to_owned(), ".corp.example".to_owned(), "::1".to_owned()],
            universe: Some("universe.example".to_owned()),
            loopback: false,
        };
        for url in [
            "https://gateway.example.org:8443",
            "https://run.corp.example",
            "https://run.universe.example",
            "https://[::1]:1",
        ] {
            assert!(allowed(&hosts, url), "{url}");
        }
        for url in [
            "http://gateway.example.org",
            "https://x.gateway.example.org",
            "https://corp.example",
            "https://evilcorp.example",
            "https://evil-universe.example",
        ] {
            assert!(!allowed(&hosts, url), "{url}");
        }
    }

    #[test]
    fn this_machine_is_trusted_where_the_caller_says_so() {
        let hosts = TrustedHosts { loopback: true, ..TrustedHosts::default() };
        for url in ["http://127.0.0.1:1", "https://localhost:1", "http://[::1]:1", "http://127.3.2.1"] {
            assert!(allowed(&hosts, url), "{url}");
            assert!(is_on_loopback(url), "{url}");
        }
        for url in ["https://[::ffff:127.0.0.1]", "https://x.localhost", "https://localhost.example.org"] {
            assert!(!is_on_loopback(url), "{url}");
        }
        assert!(!allowed(&hosts, "http://127.0.0.1.attacker.example"));
        assert!(!allowed(&hosts, "http://10.0.0.1"));
        assert!(!is_on_loopback("localhost"));
    }
}
