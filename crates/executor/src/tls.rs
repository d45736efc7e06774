//! The five TLS modes, in rustls' terms.

use std::path::Path;
use std::sync::Arc;

use quill_admin_contract::{Connection, ExitCode, TlsMode};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::failure::Failed;

/// How to encrypt for this connection. Reads the file with the trusted certificates where the mode
/// verifies; one that cannot be used is the caller's mistake.
pub(crate) fn connector(connection: &Connection) -> Result<MakeRustlsConnect, Failed> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match (connection.tls, &connection.root_certificates) {
        (TlsMode::VerifyFull, Some(path)) => {
            WebPkiServerVerifier::builder_with_provider(trusted(path)?.into(), Arc::clone(&provider))
                .build()
                .map_err(|error| unusable(path, &error.to_string()))?
        }
        (TlsMode::VerifyCa, Some(path)) => {
            Arc::new(Verifier { provider: Arc::clone(&provider), roots: Some(trusted(path)?) })
        }
        (TlsMode::VerifyFull | TlsMode::VerifyCa, None) => {
            let message = format!("TLS mode {} needs a file with certificates", connection.tls.as_str());
            return Err(Failed::new(ExitCode::Usage, message));
        }
        (TlsMode::Disable | TlsMode::Prefer | TlsMode::Require, _) => {
            Arc::new(Verifier { provider: Arc::clone(&provider), roots: None })
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failed::new(ExitCode::Unexpected, format!("failed to set up TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn trusted(path: &Path) -> Result<RootCertStore, Failed> {
    let pem = std::fs::read(path).map_err(|error| unusable(path, &error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
            .map_err(|reason| unusable(path, &reason))?;
    }
    if roots.is_empty() { Err(unusable(path, "there is no PEM certificate in it")) } else { Ok(roots) }
}

fn unusable(path: &Path, reason: &str) -> Failed {
    let message = format!("failed to read certificates from {}: {reason}", path.display());
    Failed::new(ExitCode::Usage, message)
}

/// Verifies what libpq verifies below `verify-full`: with `roots` that they signed the certificate,
/// whomever it names; without them nothing of the certificate. That the server holds the
/// certificate's key is proven in every mode: channel binding stands on it.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    roots: Option<RootCertStore>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end_entity)?,
                roots,
                intermediates,
                now,
                self.provider.signature_verification_algorithms.all,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
