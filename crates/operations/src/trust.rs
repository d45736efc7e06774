//! The hosts that get the sign-in: Google's, this machine, and those that the person has named.
//!
//! [`hosts`] lists them for an environment, and [`check`] refuses an environment that sends calls elsewhere.
//! `config/source.rs` decides how far the settings file is trusted, by the way in which it was found.

use quill_admin_cloud::{TrustedHosts, is_on_loopback};
use quill_admin_files::system::set_variable;
use url::Url;

use crate::config::{Environment, Origin, Place};
use crate::error::CliError;
use crate::process::Process;

/// Checks a host of `--trust-host` or `QUILL_ADMIN_TRUSTED_HOSTS`.
///
/// # Errors
///
/// Fails, in words, when the text is not a host.
pub fn host(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    let name = text.strip_prefix('.').unwrap_or(&text);
    // An empty variable counts as unset, and so does an empty text after the last comma.
    let valid = text.is_empty()
        || (name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
            && url::Host::parse(name).is_ok_and(|host| host.to_string() == name))
        || name.parse::<std::net::Ipv6Addr>().is_ok();
    if valid {
        return Ok(text);
    }
    Err("give a host without scheme, port and path, as in gateway.example.org (or .example.org for all below it)"
        .to_owned())
}

/// The hosts that an environment's sign-in may be sent to. `explicit` says that the sign-in itself was named
/// for this command, and so is meant for its services.
#[must_use]
pub fn hosts(environment: &Environment, process: &Process, explicit: bool) -> TrustedHosts {
    let source = &environment.source;
    let mut named: Vec<String> =
        source.trusted_hosts.iter().filter(|host| !host.is_empty()).cloned().collect();
    if source.origin == Origin::Own {
        // The person who wrote this file owns the sign-in.
        let endpoints = environment.place.endpoints();
        let urls = endpoints.each().flatten().filter_map(|url| Url::parse(url).ok());
        named.extend(urls.filter_map(|url| url.host_str().map(str::to_owned)));
        let registry = environment.image.registry();
        named.push(registry.rsplit_once(':').map_or(registry, |(host, _)| host).to_owned());
    }
    let universe = ["GOOGLE_CLOUD_UNIVERSE_DOMAIN", "CLOUDSDK_CORE_UNIVERSE_DOMAIN"]
        .iter()
        .find_map(|name| process.var(name).filter(|domain| !domain.is_empty()));
    TrustedHosts {
        named,
        universe: universe.map(str::to_owned),
        // Whoever has an account on this machine can listen there; a file that came from elsewhere does not
        // get to send a sign-in to them.
        loopback: explicit || source.origin != Origin::Found,
    }
}

/// Refuses an environment whose file sends calls to a host that nobody has named. Nothing has been sent by
/// then.
///
/// # Errors
///
/// Fails when there is such a host.
pub fn check(environment: &Environment, process: &Process, explicit: bool) -> Result<(), CliError> {
    let Place::Endpoints(endpoints) = &environment.place else { return Ok(()) };
    // Where everything is on this machine, only a sign-in that was named is used.
    if environment.place.is_on_this_machine() {
        return Ok(());
    }
    let hosts = hosts(environment, process, explicit);
    let allowed = |text: &str| Url::parse(text).is_ok_and(|url| hosts.allow(&url));
    let Some(strange) = endpoints.each().flatten().find(|text| !allowed(text)) else { return Ok(()) };
    let url = Url::parse(strange).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or(strange);
    let file = environment.source.path.display();
    let name = &environment.name;
    let told = if is_on_loopback(strange) {
        format!(
            "{file}: environment \"{name}\" sends some calls to {host}, where anybody on this machine may listen, and \
             others to Google with your sign-in; nothing was sent"
        )
    } else {
        format!(
            "{file}: environment \"{name}\" sends its calls, and with them your sign-in, to {host}, which is neither one \
             of Google's hosts nor one that you named; nothing was sent"
        )
    };
    Err(CliError::usage(told)
        .hint(format!("if you trust that host with your sign-in, add: --trust-host {host}"))
        .hint(format!("or for good: {}", set_variable("QUILL_ADMIN_TRUSTED_HOSTS", host))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_without_anything_around_them() {
        for good in ["gateway.example.org", ".example.org", "127.0.0.1", "::1", "localhost", ""] {
            assert_eq!(host(good).as_deref(), Ok(good));
        }
        assert_eq!(host(" Gateway.Example.org ").as_deref(), Ok("gateway.example.org"));
        for bad in ["https://example.org", "example.org:443", "example.org/x", "*", "a b", "user@host"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }
}
