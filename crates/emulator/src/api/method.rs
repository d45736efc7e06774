//! The methods of an API, each of them one row of a table: its name, its path, what a caller needs and
//! who answers.
//!
//! To let rows say more about a method: its field in [`Method`], a function that sets it, and its use in `answer` of
//! `mod.rs`.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::call::{Call, Reply, split_verb};
use super::service::Service;
use crate::api_error::{ApiError, Violation};
use crate::cloud::Cloud;

/// Methods of one service, in the order of the README's table.
pub(super) struct Api {
    pub(super) service: &'static Service,
    pub(super) methods: &'static [Method],
}

/// A method of Google Cloud.
pub(super) struct Method {
    /// `google.cloud.run.v2.Jobs.RunJob`.
    pub(super) name: &'static str,
    pub(super) verb: &'static str,
    /// `*` stands for one part of the path.
    pub(super) path: &'static str,
    /// The query parameters it takes, besides those every method takes.
    query: &'static [&'static str],
    /// The permissions that every call needs, all of them; none where everybody may call.
    pub(super) needs: &'static [&'static str],
    pub(super) also: Option<Also>,
    /// The parameter with the id of what the method makes.
    creates: Option<&'static str>,
    /// Whether it is for those who have no token yet.
    pub(super) open: bool,
    /// The function that answers; `None` where the method is known and not emulated.
    pub(super) handler: Option<Handler>,
}

/// A permission that some calls need, as their requests tell.
#[derive(Clone, Copy)]
pub(super) struct Also {
    pub(super) permission: &'static str,
    pub(super) is_needed: fn(&Call<'_>) -> Result<bool, ApiError>,
}

/// The result of a handler.
pub(super) type Answered = Result<Reply, ApiError>;

/// The function that answers a method.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    AtOnce(fn(&Arc<Cloud>, &Call<'_>) -> Answered),
    Later(for<'a> fn(&'a Arc<Cloud>, &'a Call<'a>) -> BoxFuture<'a, Answered>),
}

impl Method {
    pub(super) const fn get(name: &'static str, path: &'static str) -> Self {
        Self::of("GET", name, path)
    }

    pub(super) const fn post(name: &'static str, path: &'static str) -> Self {
        Self::of("POST", name, path)
    }

    pub(super) const fn put(name: &'static str, path: &'static str) -> Self {
        Self::of("PUT", name, path)
    }

    pub(super) const fn patch(name: &'static str, path: &'static str) -> Self {
        Self::of("PATCH", name, path)
    }

    pub(super) const fn delete(name: &'static str, path: &'static str) -> Self {
        Self::of("DELETE", name, path)
    }

    /// A method that is known, and not emulated as long as nobody answers it.
    const fn of(verb: &'static str, name: &'static str, path: &'static str) -> Self {
        Self {
            name,
            verb,
            path,
            query: &[],
            needs: &[],
            also: None,
            creates: None,
            open: false,
            handler: None,
        }
    }

    /// Takes these query parameters, besides those every method takes.
    pub(super) const fn query(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    /// Needs these permissions, all of them. They are asked for the resource that the path names; for
    /// a collection's parent where the path ends with the collection.
    pub(super) const fn needs(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }

    /// Needs one permission more for some calls.
    pub(super) const fn also(
        self,
        permission: &'static str,
        is_needed: fn(&Call<'_>) -> Result<bool, ApiError>,
    ) -> Self {
        Self { also: Some(Also { permission, is_needed }), ..self }
    }

    /// Makes a resource, whose id is in this parameter. Its permissions are asked for what it makes.
    pub(super) const fn creates(self, parameter: &'static str) -> Self {
        Self { creates: Some(parameter), ..self }
    }

    /// Is for those who have no token yet.
    pub(super) const fn open(self) -> Self {
        Self { open: true, ..self }
    }

    /// Is emulated: this function answers.
    pub(super) const fn by(self, answer: fn(&Arc<Cloud>, &Call<'_>) -> Answered) -> Self {
        Self { handler: Some(Handler::AtOnce(answer)), ..self }
    }

    /// Is emulated: this function answers, when it is time.
    pub(super) const fn by_waiting(
        self,
        answer: for<'a> fn(&'a Arc<Cloud>, &'a Call<'a>) -> BoxFuture<'a, Answered>,
    ) -> Self {
        Self { handler: Some(Handler::Later(answer)), ..self }
    }

    /// Whether a call is one of this method.
    pub(super) fn is_of(&self, call: &Call<'_>) -> bool {
        self.verb == call.method && fits(self.path, call.path)
    }

    /// The name of the resource for which the permissions of a call are asked.
    pub(super) fn resource(&self, call: &Call<'_>) -> String {
        if let Some(parameter) = self.creates {
            return format!("{}/{}", call.name(), call.parameter(parameter));
        }
        let of_collection = !split_verb(self.path).0.ends_with("/*");
        if of_collection { call.parent() } else { call.name() }.to_owned()
    }

    /// Refuses query parameters that the method does not have.
    pub(super) fn check_query(&self, call: &Call<'_>) -> Result<(), ApiError> {
        let unknown: Vec<Violation> = call
            .query
            .iter()
            .map(|(name, _)| name)
            .filter(|name| {
                !self.query.contains(&name.as_str()) && !SYSTEM_PARAMETERS.contains(&name.as_str())
            })
            .map(|name| Violation {
                field: String::new(),
                description: format!(
                    "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query \
                     parameter. Field '{name}' could not be found in request message."
                ),
            })
            .collect();
        if !unknown.is_empty() {
            return Err(ApiError::violations(&unknown));
        }
        Ok(())
    }
}

/// The query parameters every Google API takes (`google/api/http.proto` and the guide "System
/// parameters").
const SYSTEM_PARAMETERS: &[&str] = &[
    "$alt",
    "alt",
    "$.xgafv",
    "access_token",
    "callback",
    "fields",
    "$fields",
    "key",
    "$key",
    "oauth_token",
    "prettyPrint",
    "$prettyPrint",
    "quotaUser",
    "uploadType",
    "upload_protocol",
];

/// Whether a path fits a template: the same parts, `*` for any that carries no custom verb.
pub(super) fn fits(template: &str, path: &str) -> bool {
    let (template, verb) = split_verb(template);
    let (path, own) = split_verb(path);
    if verb != own {
        return false;
    }
    let (mut expected, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return true,
            (Some("*"), Some(part)) if !part.is_empty() => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_fits_its_template_only() {
        let run = "/v2/projects/*/locations/*/jobs/*:run";
        assert!(fits(run, "/v2/projects/p/locations/r/jobs/j:run"));
        assert!(!fits(run, "/v2/projects/p/locations/r/jobs/j"));
        assert!(!fits(run, "/v2/projects/p/locations/r/jobs/:run"));
        assert!(!fits(run, "/v2/projects/p/locations/r/jobs/j/x:run"));
        assert!(fits("/v2/entries:list", "/v2/entries:list"));
        let image = "/v1/projects/*/locations/*/repositories/*/dockerImages/*";
        assert!(fits(image, "/v1/projects/p/locations/r/repositories/q/dockerImages/i@sha256:00"));
        assert!(!fits(image, "/v1/projects/p/locations/r/repositories/q/dockerImages/i:get"));
    }
}
