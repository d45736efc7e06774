//! The PostgreSQL server: found, set up in a temporary directory, started, and always stopped.
//!
//! To change a setting of the server: `settings`; a rule for connections: `HBA`.

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use uuid::Uuid;

use super::certificates;

/// The variable that names the file with the [`Access`] of a running server.
pub const SHARED: &str = "QUILL_ADMIN_TEST_POSTGRES";

/// The variable that names the folder of `initdb` and `postgres`, where it is an unusual one.
const BIN_DIR: &str = "QUILL_ADMIN_TEST_POSTGRES_BIN";

/// The address and the superuser of a server.
#[derive(Clone, Serialize, Deserialize)]
pub struct Access {
    /// The host: always `localhost`, the name in the server's certificate.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The superuser's name.
    pub user: String,
    /// The superuser's password: generated for this server, and gone with it.
    pub password: String,
    /// The certificate of the authority that signed the server's.
    pub ca_file: PathBuf,
    /// The certificate of an authority that did not sign the server's.
    pub other_ca_file: PathBuf,
    /// The server's log.
    pub log_file: PathBuf,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// The reason why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No server is installed.
    #[error(
        "no PostgreSQL server is installed (looked for initdb in ${BIN_DIR}, in PATH and below \
         /usr/lib/postgresql; on Debian: apt-get install postgresql-15)"
    )]
    NotInstalled,
    /// The server refuses to run as root, and there is no other user.
    #[error("PostgreSQL does not run as root, and this machine has no user postgres or nobody")]
    NoUser,
    /// Files could not be written or programs could not be started.
    #[error("failed to set up a PostgreSQL server in {}: {source}", directory.display())]
    Setup {
        /// The folder in which the server was to be set up.
        directory: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {output}")]
    Program {
        /// The name of the program.
        program: &'static str,
        /// The output of the program.
        output: String,
    },
}

/// A running server. Dropping it stops it and removes its directory; so does the end of this process, even a
/// crash.
pub struct Server {
    access: Access,
    /// The file that holds [`Self::access`] for other processes.
    access_file: PathBuf,
    supervisor: Child,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server on a free port of the loopback interface: about a second.
    ///
    /// # Errors
    ///
    /// Fails if no server is installed, if it cannot be set up, or if it does not start.
    pub fn start() -> Result<Self, StartError> {
        let bin_dir = bin_dir().ok_or(StartError::NotInstalled)?;
        let account = account()?;
        let directory = tempfile::Builder::new()
            .prefix("quill-admin-postgres-")
            .tempdir()
            .map_err(|source| StartError::Setup { directory: env::temp_dir(), source })?;
        let root = directory.path().to_owned();
        let setup = |source| StartError::Setup { directory: root.clone(), source };

        let password = Uuid::new_v4().simple().to_string();
        write_files(&root, &password, account).map_err(setup)?;
        let (supervisor, port) = launch(&bin_dir, directory, account)?;
        let access = Access {
            host: "localhost".to_owned(),
            port,
            user: "postgres".to_owned(),
            password,
            ca_file: root.join(certificates::AUTHORITY),
            other_ca_file: root.join(certificates::STRANGER),
            log_file: root.join("log"),
        };
        let server = Self { access_file: root.join("access.json"), access, supervisor };
        let text = serde_json::to_string(&server.access).map_err(|error| setup(error.into()))?;
        fs::write(&server.access_file, text).map_err(setup)?;
        fs::set_permissions(&server.access_file, fs::Permissions::from_mode(0o600)).map_err(setup)?;
        Ok(server)
    }

    /// The server of this test run: the one that [`SHARED`] names, or one of this process's own.
    pub fn shared() -> &'static Access {
        static ACCESS: OnceLock<(Access, Option<Server>)> = OnceLock::new();
        let (access, _) = ACCESS.get_or_init(|| {
            if let Some(path) = env::var_os(SHARED) {
                let text = fs::read_to_string(&path)
                    .unwrap_or_else(|error| panic!("failed to read {} (${SHARED}): {error}", path.display()));
                let access = serde_json::from_str(&text)
                    .unwrap_or_else(|error| panic!("{} (${SHARED}) is malformed: {error}", path.display()));
                (access, None)
            } else {
                let server = Self::start().unwrap_or_else(|error| panic!("{error}"));
                (server.access.clone(), Some(server))
            }
        });
        access
    }

    /// The address and the superuser of the server.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The file that [`SHARED`] has to name for the test binaries.
    #[must_use]
    pub fn access_file(&self) -> &Path {
        &self.access_file
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The supervisor stops the server when its standard input ends.
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// Checks whether tests can have a server.
///
/// # Errors
///
/// Fails if no server is running for the tests and none is installed.
pub fn installed() -> Result<(), StartError> {
    if env::var_os(SHARED).is_some() || bin_dir().is_some() { Ok(()) } else { Err(StartError::NotInstalled) }
}

/// The rules for connections. Members of `tls_only` are refused without TLS, as Cloud SQL does.
const HBA: &str = "\
hostnossl all +tls_only all reject
host all all 127.0.0.1/32 scram-sha-256
";

/// The script that makes the cluster, starts the server, waits until it accepts connections, and then waits
/// for the end of standard input: until the owner closes it, or has ended. Then everything is removed.
const SUPERVISE: &str = r#"
root=$1
bin=$2
port=$3
# The owner may be gone before there is anything to tell it.
trap '' PIPE
if ! [ -d "$root/data" ]; then
    # The data is worth nothing, so nothing waits for the disk.
    "$bin/initdb" --pgdata "$root/data" --pwfile "$root/password" --no-sync --auth scram-sha-256 \
        --username postgres --encoding UTF8 --locale C.UTF-8 >"$root/log" 2>&1 || exit 1
    rm "$root/password"
fi
"$bin/pg_ctl" --pgdata "$root/data" --log "$root/log" --wait --silent \
    --options "-p $port -c config_file=$root/postgresql.conf -c hba_file=$root/pg_hba.conf" start || exit 1
echo ready 2>/dev/null
cat >/dev/null
"$bin/pg_ctl" --pgdata "$root/data" --mode immediate --wait --silent stop
cd /
rm -rf -- "$root"
"#;

fn launch(bin_dir: &Path, directory: TempDir, account: Account) -> Result<(Child, u16), StartError> {
    let root = directory.path().to_owned();
    let setup = |source| StartError::Setup { directory: root.clone(), source };
    let mut output = String::new();
    // PostgreSQL cannot pick a free port itself, and a port that was free a moment ago may be
    // taken by now.
    for _ in 0..5 {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .map_err(setup)?
            .port();
        let mut supervisor = account
            .command(Path::new("/bin/sh"))
            .args(["-c", SUPERVISE, "sh"])
            .arg(&root)
            .arg(bin_dir)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is for the tests; the supervisor ends by itself.
            .process_group(0)
            .spawn()
            .map_err(setup)?;
        let mut ready = String::new();
        if let Some(stdout) = supervisor.stdout.take() {
            BufReader::new(stdout).read_line(&mut ready).map_err(setup)?;
        }
        if ready.trim_end() == "ready" {
            // From here on the supervisor removes the directory.
            let _ = directory.keep();
            return Ok((supervisor, port));
        }
        supervisor.wait().map_err(setup)?;
        output = fs::read_to_string(root.join("log")).unwrap_or_default();
    }
    Err(StartError::Program { program: "pg_ctl start", output })
}

fn settings(root: &Path) -> String {
    format!(
        "\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_cert_file = '{root}/{certificate}'
ssl_key_file = '{root}/{key}'
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
shared_buffers = 32MB
",
        root = root.display(),
        certificate = certificates::CERTIFICATE,
        key = certificates::KEY,
    )
}

fn write_files(root: &Path, password: &str, account: Account) -> io::Result<()> {
    certificates::write(root)?;
    fs::write(root.join("password"), password)?;
    for name in [certificates::KEY, "password"] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o600))?;
        account.give(&root.join(name))?;
    }
    // Others may read the certificates, since the server may run as another user.
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    fs::write(root.join("postgresql.conf"), settings(root))?;
    fs::write(root.join("pg_hba.conf"), HBA)?;
    account.give(root)
}

/// The folder of the newest installed server.
fn bin_dir() -> Option<PathBuf> {
    let named = env::var_os(BIN_DIR).map(PathBuf::from);
    let in_path =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    named
        .into_iter()
        .chain(in_path)
        .chain(versions.into_iter().map(|(_, path)| path))
        .find(|directory| directory.join("initdb").is_file() && directory.join("pg_ctl").is_file())
}

/// The user that the server runs as.
#[derive(Clone, Copy)]
enum Account {
    /// The user that runs the tests.
    Own,
    /// Another user, because root runs the tests and the server refuses root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        // The other account may not be able to enter the folder in which the tests run.
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    fn give(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid)),
        }
    }
}

fn account() -> Result<Account, StartError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Account::Own);
    }
    // The server looks its own account up by number, so the account has to exist.
    let accounts = fs::read_to_string("/etc/passwd")
        .map_err(|source| StartError::Setup { directory: "/etc/passwd".into(), source })?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            accounts.lines().find_map(|line| {
                let mut fields = line.split(':');
                let found = fields.next() == Some(name);
                let uid = fields.nth(1)?.parse().ok()?;
                let gid = fields.next()?.parse().ok()?;
                found.then_some(Account::Other { uid, gid })
            })
        })
        .ok_or(StartError::NoUser)
}
