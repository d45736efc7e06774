//! Credentials that can be made anew under the clients that hold them.
//!
//! A change of when another sign-in is used instead: `Renewable::instead_of`.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use google_cloud_auth::credentials::{
    AccessToken, AccessTokenCredentials, CacheableResource, CredentialsProvider,
};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap};

use super::recipe::Recipe;
use crate::error::{CloudError, sign_in_message, wants_reauthentication};

/// Credentials that can be made anew under the clients that hold them.
pub(super) struct Renewable {
    pub(super) recipe: Recipe,
    /// The credentials to use instead, where Google demands that the person signs in again.
    instead: Option<Recipe>,
    current: RwLock<AccessTokenCredentials>,
}

impl Renewable {
    pub(super) fn new(recipe: Recipe, instead: Option<Recipe>) -> Result<Self, CloudError> {
        Ok(Self { current: RwLock::new(recipe.make()?), recipe, instead })
    }

    /// Makes the credentials again from their source.
    pub(super) fn renew(&self) -> Result<(), CloudError> {
        let fresh = self.recipe.make()?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    fn now(&self) -> AccessTokenCredentials {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn access_token(&self) -> Result<AccessToken, CredentialsError> {
        match self.now().access_token().await {
            Ok(token) => Ok(token),
            Err(error) => match self.instead_of(&error) {
                Some(other) => other.access_token().await.map_err(|second| both(&error, &second)),
                None => Err(error),
            },
        }
    }

    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        match self.now().headers(extensions).await {
            Ok(headers) => Ok(headers),
            Err(error) => match self.instead_of(&error) {
                // The client's cached headers belong to other credentials.
                Some(other) => other.headers(Extensions::new()).await.map_err(|second| both(&error, &second)),
                None => Err(error),
            },
        }
    }

    /// Switches to gcloud itself where Google demands that the person signs in again: its files have the
    /// credentials, but not the proof of the new sign-in, which gcloud keeps elsewhere.
    fn instead_of(&self, error: &CredentialsError) -> Option<AccessTokenCredentials> {
        let instead = self.instead.as_ref().filter(|_| wants_reauthentication(error))?.make().ok()?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = instead.clone();
        Some(instead)
    }
}

/// The error that neither the stored credentials nor gcloud give a token.
fn both(first: &CredentialsError, second: &CredentialsError) -> CredentialsError {
    let (first, second) = (sign_in_message(first), sign_in_message(second));
    CredentialsError::from_msg(false, format!("{first}; {second}"))
}

/// The form in which the clients hold the credentials.
pub(super) struct Shared(pub(super) Arc<Renewable>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl CredentialsProvider for Shared {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        self.0.headers(extensions).await
    }

    async fn universe_domain(&self) -> Option<String> {
        self.0.now().universe_domain().await
    }
}
