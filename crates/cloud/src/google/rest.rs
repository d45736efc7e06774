//! Calls of Google's clients over [`Wire`]: turns requests into JSON over HTTP, as the services' definitions
//! say (google/api/http.proto).
//!
//! To add a method: its line in `stubs.rs`. To change the form of requests: `filled` for paths, `add_to_query` for
//! queries.

use google_cloud_auth::credentials::Credentials;
use google_cloud_gax::Result;
use google_cloud_gax::error::Error;
use google_cloud_gax::options::RequestOptions;
use google_cloud_gax::response::{Parts, Response};
use http::HeaderValue;
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::credentials::Caller;
use super::policy;
use super::wire::{Call, Wire};
use crate::error::{CloudError, CloudErrorKind};

/// The domain of Google's own APIs, unless a person works in another universe.
const UNIVERSE: &str = "googleapis.com";
/// The variable that names another universe, as Google's clients have it.
const UNIVERSE_VARIABLE: &str = "GOOGLE_CLOUD_UNIVERSE_DOMAIN";

/// A service at its address.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    wire: Wire,
    address: Url,
    /// The service's own host name, where the address is another one.
    host: Option<HeaderValue>,
    credentials: Credentials,
}

/// The HTTP form of a method.
pub(super) struct Binding {
    pub(super) method: Method,
    /// The path, with placeholders for the request's fields that are part of it, such as `{name=projects/*}`.
    pub(super) path: &'static str,
    /// The field that is the body; `*` for all remaining fields, empty for none. The others are the query.
    pub(super) body: &'static str,
}

/// The error that a field of a request does not fit into the path.
#[derive(Debug, thiserror::Error)]
#[error("\"{value}\" is not as in {pattern}")]
struct Mismatch {
    value: String,
    pattern: String,
}

impl Rest {
    /// The service at an address, or Google's own of that name. An address that the token must not be sent to
    /// is an error.
    pub(super) fn new(
        wire: &Wire,
        caller: &Caller,
        address: Option<&str>,
        service: &str,
    ) -> std::result::Result<Self, CloudError> {
        let credentials = caller.at(address)?;
        let universe = std::env::var(UNIVERSE_VARIABLE).unwrap_or_else(|_| UNIVERSE.to_owned());
        let own = format!("{service}.{universe}");
        let address = address.map_or_else(|| format!("https://{own}"), str::to_owned);
        let address = Url::parse(&address).map_err(|error| unprepared(&error))?;
        let host = is_way_in(&address, service, &universe)
            .then(|| HeaderValue::try_from(own))
            .transpose()
            .map_err(|error| unprepared(&error))?;
        Ok(Self { wire: wire.clone(), address, host, credentials })
    }

    /// The address of the service.
    pub(super) fn address(&self) -> &Url {
        &self.address
    }

    /// Makes a call with its options.
    pub(super) async fn call<Q, A>(
        &self,
        binding: Binding,
        request: Q,
        options: RequestOptions,
    ) -> Result<Response<A>>
    where
        Q: Serialize,
        A: DeserializeOwned,
    {
        let Binding { method, path, body } = binding;
        let Value::Object(mut fields) = serde_json::to_value(request).map_err(Error::ser)? else {
            return Err(Error::ser("a request is an object"));
        };
        let mut url = self.address.clone();
        extend(&mut url, &filled(path, &mut fields)?)?;
        let body = match body {
            "" => None,
            "*" => Some(Value::Object(std::mem::take(&mut fields))),
            field => Some(fields.remove(field).unwrap_or_else(|| Value::Object(Map::new()))),
        };
        let body = body.map(|body| serde_json::to_vec(&body)).transpose().map_err(Error::ser)?;
        for (name, value) in &fields {
            add_to_query(&mut url, name, value);
        }
        // The clients ask for enums as numbers, which all their versions can read.
        url.query_pairs_mut().append_pair("$alt", "json;enum-encoding=int");

        let idempotent = options.idempotent().unwrap_or(method == Method::GET);
        let (method, url, body) = (&method, &url, body.as_deref());
        policy::with_options(&options, idempotent, move |within| {
            Box::pin(async move {
                let host = self.host.as_ref();
                let call = Call { method: method.clone(), url, host, body, idempotent, within };
                let answer = self.wire.attempt(&self.credentials, &call).await?;
                // An answer that cannot be read counts as none: the policy decides on that, too.
                let read = serde_json::from_slice(&answer.body).map_err(Error::deser)?;
                Ok(Response::from_parts(Parts::new().set_headers(answer.headers), read))
            })
        })
        .await
    }
}

/// Whether an address leads to all services in Google's network (private.googleapis.com, or one of Private
/// Service Connect), where a service has to be called by its own name. The rule is that of Google's clients:
/// an address below the universe's domain that is neither the service's, nor one of its regional ones.
fn is_way_in(address: &Url, service: &str, universe: &str) -> bool {
    let host = address.host_str().unwrap_or_default();
    let below = |domain: &str| host.strip_suffix(domain)?.strip_suffix('.');
    let Some(name) = below(universe).or_else(|| below(UNIVERSE)) else { return false };
    let locational =
        || name.strip_suffix(service)?.strip_suffix('-').filter(|location| !location.contains('.'));
    let regional = || match name.split('.').collect::<Vec<_>>()[..] {
        [own, region, "rep"] if own == service => Some(region),
        _ => None,
    };
    name != service && locational().or_else(regional).is_none_or(str::is_empty)
}

/// The path with its fields filled in. These fields are removed from the request.
fn filled(template: &str, fields: &mut Map<String, Value>) -> Result<String> {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (variable, after) = after.split_once('}').unwrap_or((after, ""));
        let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        let value = match field.split_once('.') {
            Some((outer, inner)) => fields.get(outer).and_then(|outer| outer.get(inner)).cloned(),
            None => fields.remove(field),
        };
        let value = value.as_ref().and_then(Value::as_str).unwrap_or_default();
        if !matches(value, pattern) {
            return Err(Error::binding(Mismatch { value: value.to_owned(), pattern: variable.to_owned() }));
        }
        path.push_str(before);
        path.push_str(value);
        rest = after;
    }
    path.push_str(rest);
    Ok(path)
}

/// Whether a name has the parts of a pattern, in which `*` stands for any one part. A name that leads upwards
/// does not match.
fn matches(name: &str, pattern: &str) -> bool {
    let fits = |(part, wanted): (&str, &str)| match wanted {
        "*" => !matches!(part, "" | "." | ".."),
        wanted => part == wanted,
    };
    name.split('/').count() == pattern.split('/').count() && name.split('/').zip(pattern.split('/')).all(fits)
}

/// Appends a path to an address, with everything escaped that has a meaning in an address.
fn extend(url: &mut Url, path: &str) -> Result<()> {
    let mut segments =
        url.path_segments_mut().map_err(|()| Error::binding("the address of the service has no paths"))?;
    segments.pop_if_empty().extend(path.trim_start_matches('/').split('/'));
    Ok(())
}

/// Adds a field to the query. A list is added once for each member, and a field of a message with the
/// message's name before it.
fn add_to_query(url: &mut Url, name: &str, value: &Value) {
    let text = match value {
        Value::Null => return,
        Value::Array(members) => return members.iter().for_each(|member| add_to_query(url, name, member)),
        Value::Object(fields) => {
            return fields
                .iter()
                .for_each(|(field, value)| add_to_query(url, &format!("{name}.{field}"), value));
        }
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    url.query_pairs_mut().append_pair(name, &text);
}

/// The error that the clients could not be made.
pub(super) fn unprepared(error: &dyn std::error::Error) -> CloudError {
    CloudError::of(CloudErrorKind::NotSignedIn, "prepare the clients for Google Cloud", error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn url(template: &str, fields: &Value) -> Result<String> {
        let mut fields = fields.as_object().cloned().unwrap_or_default();
        let mut url = Url::parse("http://127.0.0.1:1/below/").expect("an address");
        extend(&mut url, &filled(template, &mut fields)?)?;
        for (name, value) in &fields {
            add_to_query(&mut url, name, value);
        }
        Ok(url.to_string())
    }

    #[test]
    fn fields_go_where_the_definition_has_them() {
        let name = "projects/p/jobs/j";
        let run = url("/v2/{name=projects/*/jobs/*}:run", &json!({"name": name})).expect("fits");
        assert_eq!(run, "http://127.0.0.1:1/below/v2/projects/p/jobs/j:run");
        let list = json!({"parent": name, "pageSize": 100, "names": ["a b", "c&d"], "mask": {"of": true}});
        let list = url("/v2/{parent=projects/*/jobs/*}/executions", &list).expect("fits");
        assert_eq!(
            list,
            "http://127.0.0.1:1/below/v2/projects/p/jobs/j/executions?mask.of=true&names=a+b&names=c%26d&pageSize=100"
        );
        let update = json!({"job": {"name": name, "etag": "e"}});
        let mut fields = update.as_object().cloned().expect("an object");
        assert_eq!(
            filled("/v2/{job.name=projects/*/jobs/*}", &mut fields).expect("fits"),
            format!("/v2/{name}")
        );
        assert_eq!(Value::Object(fields), update, "what is the body stays whole");
        let two =
            url("/v1/projects/{project}/instances/{instance}", &json!({"project": "p", "instance": "i?#%"}));
        assert_eq!(two.expect("fits"), "http://127.0.0.1:1/below/v1/projects/p/instances/i%3F%23%25");
    }

    #[test]
    fn a_service_is_called_by_its_own_name_at_a_way_in() {
        let is_way_in = |address: &str| {
            is_way_in(
                &Url::parse(&format!("https://{address}")).expect("an address"),
                "run",
                "googleapis.com",
            )
        };
        for own in [
            "run.googleapis.com",
            "europe-west2-run.googleapis.com",
            "run.europe-west2.rep.googleapis.com",
            "localhost:8085",
            "gateway.example.org",
        ] {
            assert!(!is_way_in(own), "{own}");
        }
        for way_in in [
            "private.googleapis.com",
            "restricted.googleapis.com",
            "run-endpoint.p.googleapis.com",
            "europe-west2-logging.googleapis.com",
            "-run.googleapis.com",
        ] {
            assert!(is_way_in(way_in), "{way_in}");
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_not_sent() {
        for name in [
            "",
            "projects/p",
            "projects/p/jobs",
            "projects/p/jobs/",
            "projects/../jobs/j",
            "x/p/jobs/j",
            "projects/p/jobs/j/k",
        ] {
            let error = url("/v2/{name=projects/*/jobs/*}", &json!({"name": name})).expect_err("refused");
            assert!(error.is_binding(), "{name}: {error}");
        }
    }
}
