//! Temporary certificates: an authority, the server's certificate, and a second authority that signed
//! nothing, for tests of refusals.

use std::{fs, io, path::Path};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// The file names, below the server's directory.
pub(super) const AUTHORITY: &str = "ca.pem";
pub(super) const STRANGER: &str = "other-ca.pem";
pub(super) const CERTIFICATE: &str = "server.pem";
pub(super) const KEY: &str = "server.key";

/// Writes all four files. The certificate names only `localhost`: a client that checks names must refuse the
/// same server at `127.0.0.1`.
pub(super) fn write(directory: &Path) -> io::Result<()> {
    let (authority, authority_pem) = authority("Quill admin test authority")?;
    let (_, stranger_pem) = self::authority("Another authority")?;
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = CertificateParams::new(["localhost".to_owned()])
        .and_then(|params| params.signed_by(&key, &authority))
        .map_err(io::Error::other)?;
    fs::write(directory.join(AUTHORITY), authority_pem)?;
    fs::write(directory.join(STRANGER), stranger_pem)?;
    fs::write(directory.join(CERTIFICATE), certificate.pem())?;
    fs::write(directory.join(KEY), key.serialize_pem())
}

fn authority(name: &str) -> io::Result<(Issuer<'static, KeyPair>, String)> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    Ok((Issuer::new(params, key), certificate.pem()))
}
