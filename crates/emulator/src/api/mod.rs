//! The emulated methods: each API of Google Cloud has a file, with a table of its methods in it.
//!
//! To add a method: a row of its API's table, and the function that answers it. Then the tests say what
//! the README's line is, or write it. To add an API: its file, and its line in [`APIS`].

mod artifacts;
mod call;
mod enabled;
mod executions;
mod jobs;
mod log_config;
pub(crate) mod logging;
mod method;
mod operations;
mod page;
mod permissions;
mod projects;
mod run;
mod secrets;
mod service;
mod services;
mod sql;
mod storage;
mod tasks;
mod tokens;

use std::sync::Arc;

use axum::http::HeaderMap;

use crate::api_error::ApiError;
use crate::cloud::Cloud;
use crate::http::sign_in::authenticate;
use call::is_storage;
use method::{Api, Handler, Method};
use service::Service;

pub(crate) use call::{Call, Reply};

/// Everything the emulator knows the name of.
const APIS: &[Api] = &[
    jobs::API,
    executions::API,
    tasks::API,
    services::API,
    operations::API,
    logging::API,
    log_config::API,
    sql::API,
    artifacts::API,
    secrets::API,
    projects::API,
    enabled::API,
    storage::API,
    tokens::API,
];

fn methods() -> impl Iterator<Item = (&'static Service, &'static Method)> {
    APIS.iter().flat_map(|api| api.methods.iter().map(|method| (api.service, method)))
}

/// A row of the tables, as tests compare it with the APIs' definitions.
#[cfg(test)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) verb: &'static str,
    pub(crate) path: &'static str,
    pub(crate) is_emulated: bool,
}

#[cfg(test)]
pub(crate) fn rows() -> impl Iterator<Item = Row> {
    methods().map(|(_, method)| Row {
        name: method.name,
        verb: method.verb,
        path: method.path,
        is_emulated: method.handler.is_some(),
    })
}

/// Answers a call, if its caller is let in and may make it.
pub(crate) async fn answer(
    cloud: &Arc<Cloud>,
    headers: &HeaderMap,
    mut call: Call<'_>,
) -> Result<Reply, ApiError> {
    let found = methods().find(|(_, method)| method.is_of(&call));
    if !found.is_some_and(|(_, method)| method.open) {
        let own = authenticate(&cloud.tokens, headers);
        let own = own.map_err(|error| if is_storage(call.path) { storage::not_let_in() } else { error })?;
        call.caller = own.unwrap_or(call.caller);
    }
    let Some((service, method)) = found else {
        return Err(ApiError::unimplemented(&format!("{} {}", call.method, call.path)));
    };
    let Some(handler) = method.handler else {
        return Err(ApiError::unimplemented(method.name));
    };
    method.check_query(&call)?;
    service.check_enabled(cloud, &call)?;
    permissions::check(cloud, service, method, &call)?;
    match handler {
        Handler::AtOnce(answer) => answer(cloud, &call),
        Handler::Later(answer) => answer(cloud, &call).await,
    }
}

#[cfg(test)]
mod tests;
