//! Keeps web pages away from the emulator.
//!
//! Every page that is open in a browser of this machine can send requests to a loopback address: a
//! `POST` of text without asking first, and, after its name was pointed to 127.0.0.1 ("DNS
//! rebinding"), anything, with the answers to read. The emulator starts programs, so it answers
//! only what no page can send: a request for a loopback host, without the headers by which browsers
//! say where a request comes from, whose body says that it is JSON (for which a browser has to ask
//! first, and nobody allows it). The control API needs a token besides.
//!
//! Sources: the Fetch standard ("CORS-safelisted request-header", "Origin"), and "Fetch Metadata
//! Request Headers" of the W3C.
//!
//! To refuse another kind of request: `check_host` or `check_body`, and a row of the table "Who may ask" in the
//! README.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use http_body::Body as _;

use crate::api_error::ApiError;
use crate::http::body::LARGEST_BODY;

/// The header that carries the control API's token.
pub(crate) const TOKEN_HEADER: &str = "emulator-token";

/// The names and addresses under which the emulator answers, and the token of its control API.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    address: SocketAddr,
    hosts: Vec<String>,
    token: String,
}

impl Guard {
    /// For an emulator that listens on `address` and is also known by `hosts`. The token of its
    /// control API is made here.
    pub(crate) fn new(address: SocketAddr, hosts: Vec<String>) -> Self {
        // Two version 4 UUIDs hold 244 bits of the operating system's random numbers.
        let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        Self { address, hosts, token }
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Whether a request for this host and port is for this emulator.
    ///
    /// A name that somebody else can point to this machine is not; an address cannot be pointed
    /// anywhere. Where the emulator was told to listen on more than loopback, its port may be
    /// another one outside (a container's published port).
    fn is_own(&self, authority: &Authority) -> bool {
        let host = authority.host();
        if self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
            return true;
        }
        let own = self.address.ip();
        // Google's clients name the host without its port. A browser names the port it connects to, unless
        // it is 80: a name without one is from no page that reaches this port.
        if own.is_loopback() && authority.port_u16().is_some_and(|port| port != self.address.port()) {
            return false;
        }
        if host.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip == own || own.is_unspecified())
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(TOKEN_HEADER).map_or(&b""[..], |value| value.as_bytes());
        let own = self.token.as_bytes();
        // All bytes are looked at, so that the time it takes does not tell how many are right.
        given.len() == own.len() && given.iter().zip(own).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }

    /// Refuses what a web page could have sent, and a call of the control API without its token.
    pub(crate) fn check(&self, request: &Request) -> Result<(), ApiError> {
        let headers = request.headers();
        self.check_host(request)?;
        if headers.contains_key(header::ORIGIN) {
            return Err(ApiError::denied("Requests of web pages (with the header Origin) are not served."));
        }
        let sites = headers.get_all("sec-fetch-site").iter();
        if sites.into_iter().any(|site| !matches!(site.as_bytes(), b"none" | b"same-origin")) {
            return Err(ApiError::denied(
                "Requests of other sites' web pages (Sec-Fetch-Site) are not served.",
            ));
        }
        let path = request.uri().path();
        if path.starts_with("/emulator/") && !self.has_token(headers) {
            return Err(ApiError::denied(format!(
                "The control API needs the header {TOKEN_HEADER} with the token that the emulator \
                 printed when it started."
            )));
        }
        check_body(request, path)
    }

    fn check_host(&self, request: &Request) -> Result<(), ApiError> {
        // HTTP/2 says it in `:authority`, HTTP/1.1 in `Host`; where there are both, both count.
        let mut told = false;
        if let Some(authority) = request.uri().authority() {
            told = true;
            if !self.is_own(authority) {
                return Err(not_served(authority.as_str()));
            }
        }
        for host in request.headers().get_all(header::HOST) {
            told = true;
            let text = host.to_str().unwrap_or("what is not text");
            if !text.parse::<Authority>().is_ok_and(|authority| self.is_own(&authority)) {
                return Err(not_served(text));
            }
        }
        if told { Ok(()) } else { Err(ApiError::denied("The request does not say for which host it is.")) }
    }
}

/// Refuses a body that does not say that it is JSON, or is too long.
fn check_body(request: &Request, path: &str) -> Result<(), ApiError> {
    let length = request.body().size_hint().exact().unwrap_or_default();
    if length > LARGEST_BODY as u64 {
        let message = format!("The request is longer than {LARGEST_BODY} bytes.");
        return Err(ApiError::of_http(413, Some("INVALID_ARGUMENT"), &message));
    }
    if request.body().is_end_stream() || path.starts_with("/emulator/objects/") {
        return Ok(());
    }
    let content = request.headers().get(header::CONTENT_TYPE);
    let content = content.and_then(|content| content.to_str().ok()).unwrap_or_default();
    let essence = content.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits = match essence.as_str() {
        "application/json" => true,
        // OAuth 2.0 asks for tokens with a form (RFC 6749, section 4.1.3).
        "application/x-www-form-urlencoded" => ["/token", "/v1/token"].contains(&path),
        // gRPC's own types are application/grpc and application/grpc+proto.
        grpc => grpc == "application/grpc" || grpc.starts_with("application/grpc+"),
    };
    if fits {
        return Ok(());
    }
    let message = "The header Content-Type has to be application/json.";
    Err(ApiError::of_http(415, Some("INVALID_ARGUMENT"), message))
}

/// Refuses a request for a host that is not the emulator.
fn not_served(host: &str) -> ApiError {
    let host: String = host.chars().take(100).collect();
    ApiError::denied(format!(
        "The emulator does not serve the host '{host}', only loopback addresses and localhost with \
         its own port, and what it was told with --host."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(address: &str, hosts: &[&str]) -> Guard {
        Guard::new(
            address.parse().expect("an address"),
            hosts.iter().map(|host| (*host).to_owned()).collect(),
        )
    }

    fn own(guard: &Guard, host: &str) -> bool {
        host.parse::<Authority>().is_ok_and(|authority| guard.is_own(&authority))
    }

    #[test]
    fn loopback_with_its_own_port_is_the_emulator() {
        let guard = guard("127.0.0.1:8085", &[]);
        for host in [
            "127.0.0.1:8085",
            "localhost:8085",
            "LOCALHOST:8085",
            "127.9.9.9:8085",
            "[::1]:8085",
            "127.0.0.1",
        ] {
            assert!(own(&guard, host), "{host}");
        }
        for host in [
            "evil.example:8085",
            "localhost.evil.example:8085",
            "127.0.0.1.nip.io:8085",
            "evil.example",
            "localhost:80",
            "10.0.0.1:8085",
            "0.0.0.0:8085",
            "evil.example@127.0.0.2:80",
        ] {
            assert!(!own(&guard, host), "{host}");
        }
    }

    #[test]
    fn what_it_was_told_is_the_emulator_too() {
        let everywhere = guard("0.0.0.0:8085", &["emulator"]);
        for host in ["emulator:8085", "10.0.0.1:9000", "127.0.0.1:9000"] {
            assert!(own(&everywhere, host), "{host}");
        }
        assert!(!own(&everywhere, "evil.example:8085"));
        let one = guard("10.0.0.1:8085", &[]);
        assert!(own(&one, "10.0.0.1:8085"));
        assert!(!own(&one, "10.0.0.2:8085"));
    }
}
