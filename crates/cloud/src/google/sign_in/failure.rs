//! The errors of signing in: that nobody is signed in, and that a sign-in was refused.

use google_cloud_auth::errors::CredentialsError;

use crate::error::{CloudError, CloudErrorKind, sign_in_failure};

const DOING: &str = "sign in to Google Cloud";

pub(super) fn refused(error: &CredentialsError) -> CloudError {
    sign_in_failure(DOING, error)
}

pub(super) fn not_signed_in(message: impl Into<String>) -> CloudError {
    CloudError::of(CloudErrorKind::NotSignedIn, DOING, message)
}
