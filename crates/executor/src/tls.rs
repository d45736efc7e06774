//! The five TLS modes, implemented with rustls.
//!
//! To add a mode: `TlsMode` in the crate `contract`, and its verifier in [`connector`].

use std::sync::Arc;

use quill_admin_contract::{Certificates, Connection, ExitCode, TlsMode};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use crate::failure::Failed;
use crate::small_file;

/// Largest size of a file with certificates, in MiB: room for some hundreds. Whoever starts the execution
/// chooses the file.
const LARGEST: u64 = 1;

/// The TLS settings of this connection. Reads the trusted certificates where the mode verifies; unusable ones
/// are a mistake of the caller.
pub(crate) fn connector(connection: &Connection) -> Result<TlsConnector, Failed> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match (connection.tls, &connection.root_certificates) {
        (TlsMode::VerifyFull, Some(certificates)) => {
            WebPkiServerVerifier::builder_with_provider(trusted(certificates)?.into(), Arc::clone(&provider))
                .build()
                .map_err(|error| unusable(certificates, &error.to_string()))?
        }
        (TlsMode::VerifyCa, Some(certificates)) => {
            Arc::new(Verifier { provider: Arc::clone(&provider), roots: Some(trusted(certificates)?) })
        }
        (TlsMode::VerifyFull | TlsMode::VerifyCa, None) => {
            let message = format!("TLS mode {} needs certificates to trust", connection.tls.as_str());
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
    Ok(Arc::new(config).into())
}

fn public_key(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    Certificate::from_der(certificate)
        .and_then(|certificate| certificate.tbs_certificate.subject_public_key_info.to_der())
        .map(SubjectPublicKeyInfoDer::from)
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))
}

fn trusted(certificates: &Certificates) -> Result<RootCertStore, Failed> {
    let pem = match certificates {
        Certificates::File(path) => {
            small_file::read(path, LARGEST).map_err(|error| unusable(certificates, &error.to_string()))?
        }
        Certificates::Given(texts) => texts.join("\n").into_bytes(),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
            .map_err(|reason| unusable(certificates, &reason))?;
    }
    if roots.is_empty() {
        Err(unusable(certificates, "there is no PEM certificate in it"))
    } else {
        Ok(roots)
    }
}

fn unusable(certificates: &Certificates, reason: &str) -> Failed {
    let place = match certificates {
        Certificates::File(path) => path.display().to_string(),
        Certificates::Given(_) => "the job's command (cas of its target)".to_owned(),
    };
    Failed::new(ExitCode::Usage, format!("failed to read certificates from {place}: {reason}"))
}

/// Verifies what libpq verifies below `verify-full`: with `roots` that one of them signed the certificate,
/// whatever name it has; without them nothing about the certificate. In every mode the server has to prove
/// that it holds the certificate's key: channel binding depends on it.
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
        let algorithms = &self.provider.signature_verification_algorithms;
        match verify_tls13_signature(message, cert, dss, algorithms) {
            // rustls reads X.509 version 3 only. PostgreSQL servers often have a version 1 certificate,
            // because PostgreSQL's manual makes one with OpenSSL. If only the certificate's key matters, the
            // key is read by other means.
            Err(Error::InvalidCertificate(_)) if self.roots.is_none() => {
                verify_tls13_signature_with_raw_key(message, &public_key(cert)?, dss, algorithms)
            }
            result => result,
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::ring;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::server::{ClientHello, ResolvesServerCert};
    use rustls::sign::CertifiedKey;
    use rustls::version::{TLS12, TLS13};
    use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

    use super::Verifier;

    /// A server that shows a certificate and signs with any key that it has.
    #[derive(Debug)]
    struct Shown(Arc<CertifiedKey>);

    impl ResolvesServerCert for Shown {
        fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }

    fn handshake(
        certificate_of: &KeyPair,
        signing: &KeyPair,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> Result<(), rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let certificate = CertificateParams::new(["localhost".to_owned()])
            .and_then(|params| params.self_signed(certificate_of))
            .expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing.serialize_der()));
        let key = provider.key_provider.load_private_key(key).expect("a key");
        let shown = Shown(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)));
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .expect("supported")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shown));
        let verifier = Verifier { provider: Arc::clone(&provider), roots: None };
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("supported")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(client), "localhost".try_into().expect("a name"))?;
        let mut server = ServerConnection::new(Arc::new(server))?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).expect("to memory");
            server.read_tls(&mut wire.as_slice()).expect("from memory");
            server.process_new_packets()?;
            let mut wire = Vec::new();
            server.write_tls(&mut wire).expect("to memory");
            client.read_tls(&mut wire.as_slice()).expect("from memory");
            client.process_new_packets()?;
        }
        Ok(())
    }

    /// Otherwise somebody between client and server could show the server's certificate as their own, and
    /// channel binding would be worthless.
    #[test]
    fn a_server_without_the_certificates_key_is_refused_even_where_nothing_is_verified() {
        let (own, stolen_from) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        for version in [&TLS12, &TLS13] {
            assert_eq!(handshake(&own, &own, version), Ok(()));
            let refused = handshake(&stolen_from, &own, version).expect_err("a stolen certificate");
            assert!(matches!(refused, rustls::Error::InvalidCertificate(_)), "{refused}");
        }
    }
}
