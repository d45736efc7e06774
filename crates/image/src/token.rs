//! Access tokens for registries: the hosts that they are sent to, and the registry's own tokens that they are
//! exchanged for.
//!
//! A registry that wants a token of its own says where to get it: `WWW-Authenticate: Bearer
//! realm="https://…"` ("Token Authentication Specification" of the Distribution project). Whoever answers for
//! the registry can name any address there, so the address is checked before the access token is sent to it.
//! The client of the OCI project would send it to any address; it is given the result of the exchange, and
//! never the access token.
//!
//! To change which credential a registry gets: [`Wanted`], and the function beside it that asks the registry. The
//! rule for addresses comes from the caller of [`Token::new`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_auth::ChallengeParser;
use oci_client::RegistryOperation;
use oci_client::errors::OciDistributionError;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Client, StatusCode, Url, redirect};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{ImageError, ImageErrorKind};
use crate::name::Repository;

/// The user name that goes with an access token, for Google's registries ("Authenticate to
/// Artifact Registry", access token).
pub(crate) const TOKEN_USER: &str = "oauth2accesstoken";
/// Lifetime of a registry's token that does not state one, in seconds ("Token Authentication Specification").
const LIFETIME: u64 = 60;
/// Largest part of a registry's message that is shown, in characters.
const LONGEST: usize = 300;

/// An access token, and the rule for the addresses that it may be sent to.
#[derive(Clone)]
pub struct Token {
    secret: Zeroizing<String>,
    may_go_to: Arc<dyn Fn(&Url) -> bool + Send + Sync>,
}

impl Token {
    /// Makes a token. `may_go_to` decides whether the token may be sent to an address.
    #[must_use]
    pub fn new(token: String, may_go_to: impl Fn(&Url) -> bool + Send + Sync + 'static) -> Self {
        Self { secret: Zeroizing::new(token), may_go_to: Arc::new(may_go_to) }
    }

    /// Whether the token may be sent to this repository's registry.
    #[must_use]
    pub fn is_for(&self, repository: &Repository) -> bool {
        address(repository).is_ok_and(|url| (self.may_go_to)(&url))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The address of a registry's API.
pub(crate) fn address(repository: &Repository) -> Result<Url, url::ParseError> {
    let scheme = if repository.is_loopback() { "http" } else { "https" };
    Url::parse(&format!("{scheme}://{}/v2/", repository.registry()))
}

/// The credential that a registry wants from a client with an access token.
pub(crate) enum Wanted {
    /// No credential.
    Nothing,
    /// The access token itself.
    AccessToken,
    /// The registry's own token.
    Own {
        /// The registry's own token.
        token: Zeroizing<String>,
        /// The time that it is valid.
        lifetime: Duration,
    },
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Asks a registry which credential it wants, and gets it. The access token is sent to the registry's own
/// address, which the caller has checked, and to the address that the registry names, if it may be sent
/// there.
pub(crate) async fn exchange(
    client: &Client,
    repository: &Repository,
    token: &Token,
    operation: RegistryOperation,
    doing: impl Fn() -> String,
) -> Result<Wanted, ImageError> {
    let failed = |error: reqwest::Error| ImageError::registry(doing(), &OciDistributionError::from(error));
    let other = |message: String| ImageError::new(ImageErrorKind::Registry, doing(), message);
    let base = address(repository).map_err(|error| other(format!("{repository}: {error}")))?;
    let answer = client.get(base).send().await.map_err(failed)?;
    let challenges: Vec<&str> =
        answer.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
    if challenges.is_empty() {
        return Ok(Wanted::Nothing);
    }
    let bearer = challenges
        .iter()
        .flat_map(|text| ChallengeParser::new(text))
        .filter_map(Result::ok)
        .find(|challenge| challenge.scheme.eq_ignore_ascii_case("Bearer"));
    let Some(bearer) = bearer else { return Ok(Wanted::AccessToken) };
    let parameter = |name: &str| {
        let found = bearer.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_unescaped())
    };
    let realm = parameter("realm").and_then(|realm| Url::parse(&realm).ok());
    let mut url = realm.ok_or_else(|| other("it names no address for its tokens".to_owned()))?;
    if !(token.may_go_to)(&url) {
        return Err(ImageError::new(
            ImageErrorKind::UntrustedHost,
            doing(),
            format!(
                "the registry wants the access token to be sent to {}://{}, which is neither one of Google's hosts \
                 nor one that was named as trusted; it was not sent",
                url.scheme(),
                url.host_str().unwrap_or_default().escape_debug()
            ),
        ));
    }
    let actions = match operation {
        RegistryOperation::Pull => "pull",
        RegistryOperation::Push => "pull,push",
    };
    url.query_pairs_mut().append_pair("scope", &format!("repository:{}:{actions}", repository.path()));
    if let Some(service) = parameter("service") {
        url.query_pairs_mut().append_pair("service", &service);
    }
    let request = client.get(url).basic_auth(TOKEN_USER, Some(token.expose()));
    let answer = request.send().await.map_err(failed)?;
    let status = answer.status();
    if status != StatusCode::OK {
        let words: String = answer.text().await.map_err(failed)?.trim().chars().take(LONGEST).collect();
        return Err(if status.is_server_error() {
            other(format!("HTTP status {} {words}", status.as_u16()))
        } else {
            ImageError::registry(doing(), &OciDistributionError::AuthenticationFailure(words))
        });
    }
    let answer: Answer =
        answer.json().await.map_err(|_| other("the answer with its token cannot be read".to_owned()))?;
    let lifetime = Duration::from_secs(answer.expires_in.unwrap_or(LIFETIME));
    let token = answer.token.or(answer.access_token);
    let token = token.ok_or_else(|| other("the answer that should have its token has none".to_owned()))?;
    Ok(Wanted::Own { token: Zeroizing::new(token), lifetime })
}

/// A client that follows no redirects: only the given address was checked for the token.
pub(crate) fn client(connect: Duration, answer: Duration) -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(connect)
        .read_timeout(answer)
        .user_agent("quill-admin")
        .build()
}

/// A client for uploads, which have no time limit while they make progress.
pub(crate) fn uploader(connect: Duration) -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(connect)
        .user_agent("quill-admin")
        .build()
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Mutex;

    use quill_admin_testkit::http::{answer as with, server};

    use super::*;

    const SECRET: &str = "ya29.planted";

    fn challenge(header: &str) -> String {
        with("401 Unauthorized", &format!("WWW-Authenticate: {header}\r\n"), "")
    }

    async fn ask(registry: u16, token: &Token) -> Result<Wanted, ImageError> {
        // Without a provider no client can be made; if there is one already, that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let repository: Repository = format!("127.0.0.1:{registry}/p/admin").parse().expect("valid");
        let client = client(Duration::from_secs(5), Duration::from_secs(5)).expect("a client");
        exchange(&client, &repository, token, RegistryOperation::Push, || "ask".to_owned()).await
    }

    fn for_port(allowed: Vec<u16>) -> Token {
        Token::new(SECRET.to_owned(), move |url| url.port().is_some_and(|port| allowed.contains(&port)))
    }

    fn carries_the_token(requests: &Mutex<Vec<String>>) -> bool {
        // SECRET after its user name, in base64.
        const BASIC: &str = "b2F1dGgyYWNjZXNzdG9rZW46eWEyOS5wbGFudGVk";
        requests.lock().expect("unpoisoned").iter().any(|one| one.contains(BASIC) || one.contains(SECRET))
    }

    #[tokio::test]
    async fn the_token_is_exchanged_where_it_may_go() {
        let (realm, asked) = server(|_| with("200 OK", "", r#"{"token": "own", "expires_in": 300}"#));
        let (registry, first) = server(|port| {
            challenge(&format!("Bearer realm=\"http://127.0.0.1:{realm}/token\",service=\"r:{port}\""))
        });
        let wanted = ask(registry, &for_port(vec![registry, realm])).await.expect("exchanged");
        let Wanted::Own { token, lifetime } = wanted else { panic!("a token of its own") };
        assert_eq!((token.as_str(), lifetime), ("own", Duration::from_mins(5)));
        assert!(carries_the_token(&asked) && !carries_the_token(&first));
        let request = asked.lock().expect("unpoisoned")[0].clone();
        assert!(request.contains("scope=repository%3Ap%2Fadmin%3Apull%2Cpush&service=r%3A"), "{request}");
    }

    #[tokio::test]
    async fn the_token_does_not_go_where_a_registry_sends_it() {
        let (stranger, asked) = server(|_| with("200 OK", "", r#"{"token": "own"}"#));
        for realm in [
            format!("http://127.0.0.1:{stranger}/token"),
            format!("http://localhost:{stranger}/token"),
            "https://attacker.example/token".to_owned(),
            "http://europe-west2-docker.pkg.dev/v2/token".to_owned(),
        ] {
            let (registry, _) = server(|_| challenge(&format!("Bearer realm=\"{realm}\"")));
            let refused = ask(registry, &for_port(vec![registry])).await.err().expect("refused");
            assert_eq!(refused.kind, ImageErrorKind::UntrustedHost, "{refused}");
            assert!(!refused.to_string().contains(SECRET), "{refused}");
        }
        assert!(asked.lock().expect("unpoisoned").is_empty());
    }

    #[tokio::test]
    async fn no_redirect_takes_the_token_along() {
        let (stranger, asked) = server(|_| with("200 OK", "", r#"{"token": "own"}"#));
        let (realm, _) = server(|_| {
            with("307 Temporary Redirect", &format!("Location: http://127.0.0.1:{stranger}/token\r\n"), "")
        });
        let (registry, _) =
            server(|_| challenge(&format!("Bearer realm=\"http://127.0.0.1:{realm}/token\"")));
        assert!(ask(registry, &for_port(vec![registry, realm])).await.is_err());
        assert!(asked.lock().expect("unpoisoned").is_empty());
    }

    #[tokio::test]
    async fn a_registry_gets_the_token_itself_only_if_it_is_for_it() {
        let (registry, asked) = server(|_| challenge("Basic realm=\"registry\""));
        let wanted = ask(registry, &for_port(vec![registry])).await.expect("answered");
        assert!(matches!(wanted, Wanted::AccessToken));
        let repository: Repository = format!("127.0.0.1:{registry}/p/admin").parse().expect("valid");
        assert!(for_port(vec![registry]).is_for(&repository) && !for_port(vec![]).is_for(&repository));
        let strange = crate::Registry::new(&repository, Some(&for_port(vec![])));
        assert!(strange.image("latest").await.is_err());
        assert!(!carries_the_token(&asked));
        let known = crate::Registry::new(&repository, Some(&for_port(vec![registry])));
        assert!(known.image("latest").await.is_err());
        assert!(carries_the_token(&asked));
    }
}
