//! The TLS modes of a connection to the database.

use std::str::FromStr;

use crate::value::{InvalidValue, Problem};

/// The modes of libpq's `sslmode`, without `allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never encrypt.
    Disable,
    /// Encrypt where the server offers it, verify nothing.
    Prefer,
    /// Encrypt, verify nothing.
    Require,
    /// Encrypt, verify that a trusted authority signed the certificate.
    VerifyCa,
    /// As `verify-ca`, and the certificate must name the host.
    VerifyFull,
}

impl TlsMode {
    /// Every mode, weakest first.
    pub const ALL: [Self; 5] = [Self::Disable, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    /// The name that libpq has for the mode.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// Whether the server's certificate is verified.
    #[must_use]
    pub const fn verifies(self) -> bool {
        matches!(self, Self::VerifyCa | Self::VerifyFull)
    }
}

impl FromStr for TlsMode {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let text = text.trim();
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| {
            let allowed = Self::ALL.map(|mode| mode.as_str().to_owned()).to_vec();
            InvalidValue::new("TLS mode", Problem::NotOneOf { given: text.to_owned(), allowed })
        })
    }
}
