//! The credentials of a connection, and to which addresses they are attached.

use google_cloud_auth::credentials::{Credentials as AuthCredentials, anonymous};

use super::SignIn;
use crate::error::CloudError;
use crate::trust::{self, TrustedHosts};

/// Who calls. Every client and every request gets the credentials from here, for the address it is for.
pub(super) struct Caller {
    credentials: AuthCredentials,
    /// Where the token may go; `None` where there is no token.
    hosts: Option<TrustedHosts>,
}

impl Caller {
    pub(super) fn nobody() -> Self {
        Self { credentials: anonymous::Builder::new().build(), hosts: None }
    }

    pub(super) fn of(sign_in: &SignIn) -> Self {
        Self { credentials: sign_in.credentials(), hosts: Some(sign_in.hosts().clone()) }
    }

    /// The credentials for an address; `None` is Google's own, which the client knows. Fails where the
    /// token is not for that host.
    pub(super) fn at(&self, address: Option<&str>) -> Result<AuthCredentials, CloudError> {
        if let (Some(hosts), Some(address)) = (&self.hosts, address) {
            trust::check(hosts, address)?;
        }
        Ok(self.credentials.clone())
    }
}
