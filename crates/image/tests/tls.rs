//! A real engine behind TLS, reached with `DOCKER_HOST=tcp://…` and `DOCKER_TLS_VERIFY`.

#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use quill_admin_image::{Engine, ImageError, ImageErrorKind};
use quill_admin_testkit::needs_docker;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;

/// A certificate authority of the test's own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("valid");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// A certificate of that authority, and its key.
fn issued(authority: &CertifiedIssuer<'static, KeyPair>) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("valid");
    (params.signed_by(&key, authority).expect("a certificate"), key)
}

/// Forwards connections with a certificate of the authority to this machine's engine; returns the address.
async fn relay(authority: &CertifiedIssuer<'static, KeyPair>) -> String {
    let (certificate, key) = issued(authority);
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("a certificate");
    let clients = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let settings = ServerConfig::builder()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("they fit");
    let acceptor = TlsAcceptor::from(Arc::new(settings));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has one");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut engine = UnixStream::connect("/var/run/docker.sock").await.expect("an engine");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
            });
        }
    });
    format!("tcp://{address}")
}

async fn connect(host: &str, folder: &Path) -> Result<Engine, ImageError> {
    let variables = [
        ("DOCKER_HOST", host.to_owned()),
        ("DOCKER_TLS_VERIFY", "1".to_owned()),
        ("DOCKER_CERT_PATH", folder.display().to_string()),
    ];
    Engine::connect(|name| {
        variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.clone())
    })
    .await
}

#[tokio::test]
async fn an_engine_behind_tls_is_reached_by_whom_it_knows_and_no_other_engine_is() {
    needs_docker!();
    // If a provider is installed already, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let own = authority();
    let host = relay(&own).await;
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    let (certificate, key) = issued(&own);
    write("ca.pem", &own.pem());
    write("cert.pem", &certificate.pem());
    write("key.pem", &key.serialize_pem());
    let engine = connect(&host, folder.path()).await.map_err(|error| error.to_string()).expect("let in");
    assert!(!engine.version().is_empty());
    assert!(engine.image("no/such:image").await.expect("it answers").is_none());

    // A client without a certificate, and an engine of another authority.
    let stranger = tempfile::tempdir().expect("a folder");
    fs::write(stranger.path().join("ca.pem"), own.pem()).expect("written");
    let refused = connect(&host, stranger.path()).await.expect_err("refused");
    assert_eq!(refused.kind, ImageErrorKind::EngineAddress, "{refused}");
    write("ca.pem", &authority().pem());
    let refused = connect(&host, folder.path()).await.expect_err("refused");
    assert_eq!(refused.kind, ImageErrorKind::EngineAddress, "{refused}");
    assert!(refused.to_string().contains("no TLS with tcp://127.0.0.1:"), "{refused}");
    assert!(refused.hint.as_deref().is_some_and(|hint| hint.starts_with("check ca.pem")), "{refused:?}");
}
