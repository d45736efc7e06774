//! The credentials of a connection, and the addresses that they are attached to.

use google_cloud_auth::credentials::{Credentials as AuthCredentials, anonymous};

use super::SignIn;
use crate::error::CloudError;
use crate::trust::{self, TrustedHosts};

/// The caller. Every client and every request gets its credentials from here, for the address that it calls.
pub(super) struct Caller {
    credentials: AuthCredentials,
    /// The hosts that the token may be sent to; `None` where there is no token.
    hosts: Option<TrustedHosts>,
}

impl Caller {
    pub(super) fn nobody() -> Self {
        Self { credentials: anonymous::Builder::new().build(), hosts: None }
    }

    pub(super) fn of(sign_in: &SignIn) -> Self {
        Self { credentials: sign_in.credentials(), hosts: Some(sign_in.hosts().clone()) }
    }

    /// The credentials for an address; `None` is Google's own, which the client knows. It is an error if the
    /// token must not be sent to that host.
    pub(super) fn at(&self, address: Option<&str>) -> Result<AuthCredentials, CloudError> {
        if let (Some(hosts), Some(address)) = (&self.hosts, address) {
            trust::check(hosts, address)?;
        }
        Ok(self.credentials.clone())
    }
}
