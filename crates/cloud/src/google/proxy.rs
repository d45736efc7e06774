//! Finds the proxy on the way to Cloud Logging, which Google's gRPC client ignores.
//!
//! The REST clients read the usual variables by themselves. The gRPC client, which the live log needs,
//! connects without looking at them: where all traffic has to go through a proxy it would wait for an answer
//! that never comes.

/// The variables that name a proxy for HTTPS, in the order in which the REST clients read them.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The variables that list the hosts which the REST clients reach without a proxy.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The host of Google's own Cloud Logging, as its client has it.
const LOGGING: &str = "logging.googleapis.com";

/// The variable that names a proxy for the way to Cloud Logging; an address on this machine has none.
pub(super) fn for_log(endpoint: Option<&str>) -> Option<&'static str> {
    let host = match endpoint {
        Some(endpoint) if crate::is_on_loopback(endpoint) => return None,
        Some(endpoint) => url::Url::parse(endpoint).ok()?.host_str()?.to_owned(),
        None => LOGGING.to_owned(),
    };
    // The clients read the variables of the process as well.
    for_host(&host, |name| std::env::var(name).ok())
}

/// The variable that names a proxy for the way to this host; `None` where there is none.
fn for_host(host: &str, variable: impl Fn(&'static str) -> Option<String>) -> Option<&'static str> {
    // A variable that is set and empty counts as set: the other names are not read then.
    let https = VARIABLES[..2].iter().find(|name| variable(name).is_some());
    let all = || VARIABLES[2..].iter().find(|name| variable(name).is_some());
    let named = |name: &&&'static str| variable(name).is_some_and(|value| !value.trim().is_empty());
    let name = https.filter(named).or_else(|| all().filter(named))?;
    let exceptions = EXCEPTIONS.iter().find_map(|name| variable(name)).unwrap_or_default();
    let direct = exceptions.split(',').map(|entry| entry.trim().trim_start_matches('.')).any(|entry| {
        let below = |rest: &str| rest.is_empty() || rest.ends_with('.');
        entry == "*" || (!entry.is_empty() && host.strip_suffix(entry).is_some_and(below))
    });
    (!direct).then_some(*name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(host: &str, variables: &[(&'static str, &str)]) -> Option<&'static str> {
        for_host(host, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_proxy_is_found_where_the_rest_clients_find_it() {
        let logging = "logging.googleapis.com";
        assert_eq!(proxy(logging, &[]), None);
        assert_eq!(proxy(logging, &[("HTTP_PROXY", "http://p:1")]), None);
        assert_eq!(proxy(logging, &[("https_proxy", "http://p:1")]), Some("https_proxy"));
        assert_eq!(proxy(logging, &[("all_proxy", "http://p:1"), ("HTTPS_PROXY", "")]), Some("all_proxy"));
        let except = |no| proxy(logging, &[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", no)]);
        assert_eq!(except("localhost,127.0.0.0/8,::1"), Some("HTTPS_PROXY"));
        assert_eq!(except("apis.com"), Some("HTTPS_PROXY"));
        assert_eq!(except("localhost, .googleapis.com"), None);
        assert_eq!(except("logging.googleapis.com"), None);
        assert_eq!(except("*"), None);
    }
}
