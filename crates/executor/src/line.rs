//! The line to the server: a socket, TLS on it, and the guard that keeps the password from being sent.
//!
//! The password is never sent. Knowledge of it is proven with SCRAM-SHA-256 (RFC 5802, RFC 7677), from which
//! a server learns nothing that it did not store before; beyond this machine it is SCRAM-SHA-256-PLUS over
//! TLS only. There the proof holds only for the TLS connection whose other end has the certificate's key, so
//! that nobody in between can pass it on, and the server proves in return that it knows the user. This is
//! libpq's `channel_binding=require` with `require_auth=scram-sha-256`.
//!
//! To change what a server has to prove: `guard.rs` for its first message, `tls.rs` for its certificate.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use quill_admin_contract::TlsMode;
use rustls::pki_types::ServerName;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::db::rfc5912 as oid;

use crate::failure::{Attempt, broken};
use crate::guard::Guard;

/// Time limit of one address of the host. An address that drops packets would otherwise take more than two
/// minutes, and the host may have another one.
const PER_ADDRESS: Duration = Duration::from_secs(4);

/// The message with which a client asks for TLS: four bytes of length, then the code 1234.5679 (PostgreSQL's
/// manual, "Message Formats", `SSLRequest`).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// One address of the database's host.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Address {
    /// Whether the connection stays on this machine. This is decided by the address that is connected to: a
    /// name may lead anywhere, and elsewhere a moment later.
    fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            #[cfg(unix)]
            Self::Unix(_) => true,
        }
    }
}

/// The way to connect to one address.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) address: Address,
    /// The name that `verify-full` looks for in the certificate.
    pub(crate) name: String,
    pub(crate) mode: TlsMode,
    pub(crate) tls: TlsConnector,
}

impl Route {
    /// Whether the server has to prove over TLS that it knows the user.
    pub(crate) fn needs_binding(&self) -> bool {
        !self.address.is_local()
    }

    /// Opens a line, up to the point where PostgreSQL's own protocol begins.
    pub(crate) async fn open(&self) -> Result<Line, Attempt> {
        let beyond = self.needs_binding();
        if beyond && self.mode == TlsMode::Disable {
            return Err(Attempt::Refused(
                "TLS is switched off (AUTH_DB_SSLMODE or CORE_DB_SSLMODE is disable), and the password is proven \
                 beyond this machine over TLS only: set it to require"
                    .to_owned(),
            ));
        }
        let mut socket = self.connect().await.map_err(|error| broken(&error))?;
        let encrypted = self.wants_tls() && ask_for_tls(&mut socket).await?;
        if self.wants_tls() && !encrypted && (beyond || self.mode != TlsMode::Prefer) {
            return Err(Attempt::Refused(
                "the server does not support TLS, and without it the password is not proven: switch TLS on there"
                    .to_owned(),
            ));
        }
        let inner = if encrypted {
            let name = ServerName::try_from(self.name.clone())
                .map_err(|error| Attempt::Refused(format!("TLS: {error}")))?;
            let stream = self.tls.connect(name, socket).await.map_err(|error| broken(&error))?;
            Inner::Tls(Box::new(stream))
        } else {
            Inner::Plain(socket)
        };
        let binding = inner.end_point();
        if beyond && binding.is_none() {
            return Err(Attempt::Refused(
                "the password cannot be bound to the server's certificate, because that is signed in a way that \
                 names no hash (as Ed25519 and RSA-PSS are): give the server one signed with SHA-256"
                    .to_owned(),
            ));
        }
        Ok(Line { inner, binding, guard: Guard::new(beyond) })
    }

    fn wants_tls(&self) -> bool {
        match &self.address {
            Address::Tcp(_) => self.mode != TlsMode::Disable,
            // PostgreSQL has no TLS on Unix sockets.
            #[cfg(unix)]
            Address::Unix(_) => false,
        }
    }

    async fn connect(&self) -> io::Result<Socket> {
        match &self.address {
            Address::Tcp(address) => {
                let stream = within(TcpStream::connect(address)).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            #[cfg(unix)]
            Address::Unix(path) => Ok(Box::new(within(tokio::net::UnixStream::connect(path)).await?)),
        }
    }
}

async fn within<T>(connect: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PER_ADDRESS, connect)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out")))
}

/// Asks whether the server has TLS. Exactly one byte is read: clear text after it would otherwise be taken
/// for data inside TLS.
async fn ask_for_tls(socket: &mut Socket) -> Result<bool, Attempt> {
    socket.write_all(&SSL_REQUEST).await.map_err(|error| broken(&error))?;
    match socket.read_u8().await.map_err(|error| broken(&error))? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        // A server that cannot start a process for the client answers with this. Its message is not shown:
        // somebody in between may have written it.
        b'E' => Err(Attempt::NotYet("the server answered with an error before TLS".to_owned())),
        _ => Err(Attempt::Refused("what answers there is not PostgreSQL".to_owned())),
    }
}

/// A TCP or Unix socket.
type Socket = Box<dyn Duplex>;

/// A stream of bytes that can be read and written.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

enum Inner {
    Plain(Socket),
    Tls(Box<tokio_rustls::client::TlsStream<Socket>>),
}

impl Inner {
    /// The hash of the server's certificate that SCRAM is bound to (`tls-server-end-point`, RFC 5929
    /// section 4.1): `None` without TLS, or where the certificate's signature names no hash.
    fn end_point(&self) -> Option<Vec<u8>> {
        let Self::Tls(stream) = self else { return None };
        let certificate = stream.get_ref().1.peer_certificates()?.first()?;
        let signature = Certificate::from_der(certificate).ok()?.signature_algorithm.oid;
        match signature {
            // RFC 5929 replaces the two broken hashes by SHA-256.
            oid::SHA_1_WITH_RSA_ENCRYPTION | oid::SHA_256_WITH_RSA_ENCRYPTION | oid::ECDSA_WITH_SHA_256 => {
                Some(Sha256::digest(certificate).to_vec())
            }
            oid::SHA_384_WITH_RSA_ENCRYPTION | oid::ECDSA_WITH_SHA_384 => {
                Some(Sha384::digest(certificate).to_vec())
            }
            oid::SHA_512_WITH_RSA_ENCRYPTION | oid::ECDSA_WITH_SHA_512 => {
                Some(Sha512::digest(certificate).to_vec())
            }
            _ => None,
        }
    }

    fn pin(&mut self) -> Pin<&mut dyn Duplex> {
        match self {
            Self::Plain(socket) => Pin::new(&mut **socket),
            Self::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

/// An open line. `tokio-postgres` uses it for PostgreSQL's protocol, and takes it for a TLS stream that is
/// ready, whether it has TLS or not.
pub(crate) struct Line {
    inner: Inner,
    binding: Option<Vec<u8>>,
    guard: Guard,
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        std::task::ready!(this.inner.pin().poll_read(context, buffer))?;
        Poll::Ready(this.guard.inspect(&buffer.filled()[before..]).map_err(io::Error::other))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().inner.pin().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().inner.pin().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().inner.pin().poll_shutdown(context)
    }
}

impl TlsStream for Line {
    fn channel_binding(&self) -> ChannelBinding {
        self.binding.clone().map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// Tells `tokio-postgres` that TLS is already set up.
pub(crate) struct Ready;

impl TlsConnect<Line> for Ready {
    type Stream = Line;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Line>>;

    fn connect(self, line: Line) -> Self::Future {
        std::future::ready(Ok(line))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::Address;

    #[test]
    fn only_loopback_is_this_machine() {
        let local = |text: &str| Address::Tcp(text.parse::<SocketAddr>().expect(text)).is_local();
        for text in ["127.0.0.1:5432", "127.9.9.9:1", "[::1]:5432", "[::ffff:127.0.0.1]:5432"] {
            assert!(local(text), "{text}");
        }
        for text in
            ["10.0.0.3:5432", "0.0.0.0:5432", "[::]:1", "169.254.1.1:1", "[::ffff:10.0.0.1]:1", "[fe80::1]:1"]
        {
            assert!(!local(text), "{text}");
        }
    }
}
