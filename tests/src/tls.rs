//! TLS in front of an HTTP server, with a certificate of an authority made for the test; and a proxy of the
//! kind that connects to hosts (`CONNECT`), which leads every host to one address.
//!
//! To add a kind of proxy: a constructor of [`ConnectProxy`].

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use quill_admin_testkit::home::Home;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Time limit, against hanging for ever.
const LIMIT: Duration = Duration::from_mins(3);

/// The requests that a server was sent, in their order.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}

impl Seen {
    fn add(&self, request: &[u8]) {
        let text = String::from_utf8_lossy(request).into_owned();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// All requests so far.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether any request contains this text.
    #[must_use]
    pub fn has(&self, text: &str) -> bool {
        self.all().iter().any(|one| one.contains(text))
    }
}

/// A TLS server in front of another server. It serves until the process ends.
pub struct Front {
    address: SocketAddr,
    /// The authority's certificate, a file for `SSL_CERT_FILE`.
    pub authority: PathBuf,
    /// The requests that came.
    pub seen: Seen,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").finish_non_exhaustive()
    }
}

impl Front {
    /// Starts the front of `server`, `127.0.0.1:PORT`, with a certificate for these names.
    #[must_use]
    pub fn new(home: &Home, server: &str, names: &[&str]) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&own, &issuer))
            .expect("a certificate");
        let file = home.path().join("authority.pem");
        fs::write(&file, authority.pem()).expect("written");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.serialize_der()));
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
                .expect("a configuration");
        // The server supports only HTTP/1.1, like many proxies that decrypt TLS.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let seen = Seen::default();
        let (kept, server) = (seen.clone(), server.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, server, config) = (kept.clone(), server.clone(), Arc::clone(&config));
                // A client that does not accept the certificate closes the connection, which its test checks.
                thread::spawn(move || serve(stream, config, &server, &kept));
            }
        });
        Self { address, authority: file, seen }
    }

    /// The port of the front.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

/// Forwards one request over a connection of its own.
fn serve(stream: TcpStream, config: Arc<ServerConfig>, server: &str, seen: &Seen) -> io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut client = StreamOwned::new(connection, stream);
    let request = request(&mut client)?;
    seen.add(&request);
    let mut server = TcpStream::connect(server)?;
    let text = String::from_utf8_lossy(&request).into_owned();
    let (head, _) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let body = &request[head.len() + 4..];
    server.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    client.write_all(&answer)?;
    client.conn.send_close_notify();
    client.flush()
}

/// Reads a request with its body.
fn request(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body)?;
    request.extend(body);
    Ok(request)
}

/// A proxy. It serves until the process ends.
pub struct ConnectProxy {
    address: SocketAddr,
    /// The requests that it was sent.
    pub seen: Seen,
}

impl std::fmt::Debug for ConnectProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectProxy").finish_non_exhaustive()
    }
}

impl ConnectProxy {
    /// Starts a proxy that leads connections to `host` to this port of the loopback interface, and refuses
    /// all others.
    #[must_use]
    pub fn leading(host: &str, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let seen = Seen::default();
        let (kept, wanted) = (seen.clone(), format!("CONNECT {host}:"));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (kept, wanted) = (kept.clone(), wanted.clone());
                thread::spawn(move || lead(client, port, &wanted, &kept));
            }
        });
        Self { address, seen }
    }

    /// Starts a proxy that refuses every connection: for requests that must not use it.
    #[must_use]
    pub fn refusing() -> Self {
        Self::leading("nobody.invalid", 0)
    }

    /// The proxy's address, in the form of the variables.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn lead(mut client: TcpStream, port: u16, wanted: &str, seen: &Seen) -> io::Result<()> {
    client.set_read_timeout(Some(LIMIT))?;
    let request = request(&mut client)?;
    seen.add(&request);
    if !request.starts_with(wanted.as_bytes()) {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let back = thread::spawn(move || {
        let _ = io::copy(&mut server, &mut client);
        let _ = client.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = back.join();
    Ok(())
}
