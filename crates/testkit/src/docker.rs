//! The Docker engine of this machine, and an image to compile in.
//!
//! `docker/Dockerfile` compiles in an official image, which a test cannot rely on: there may be no registry
//! to pull from. [`builder_image`] makes a substitute from Debian's packages and this machine's own
//! toolchain, and leaves it in the engine for the next run. To remove it: `docker rmi $(docker images -q
//! quill-admin-test/rust)`.
//!
//! All of this uses the `docker` program, which Debian's package of the engine contains.
//!
//! To add a package to the image: `PACKAGES`; the image gets another name, so that it is made anew.

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

/// The repository of the images that [`builder_image`] makes. No test removes those.
const REPOSITORY: &str = "quill-admin-test/rust";

/// The packages of the official image that the Dockerfile uses, beside the toolchain.
const PACKAGES: &str = "ca-certificates,gcc,libc6-dev";

/// This machine's certificates, which the container trusts: the machine may be behind a proxy of its own.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The settings of the imported image: the paths of the official one. The profile of what is shipped takes minutes of
/// both processors of a small machine for a smaller program; here it is compiled quickly.
const CHANGES: [&str; 5] = [
    "ENV CARGO_HOME=/usr/local/cargo",
    "ENV PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV CARGO_PROFILE_DIST_LTO=off",
    "ENV CARGO_PROFILE_DIST_OPT_LEVEL=0",
    "ENV CARGO_PROFILE_DIST_CODEGEN_UNITS=16",
];

/// Checks that an engine answers.
///
/// # Errors
///
/// Fails if no engine answers, with the reason.
pub fn available() -> Result<(), String> {
    static ANSWER: OnceLock<Result<(), String>> = OnceLock::new();
    ANSWER
        .get_or_init(|| match docker(["version", "--format", "{{.Server.Version}}"]) {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("the program docker cannot be started: {error}")),
        })
        .clone()
}

/// Skips the test where no Docker engine answers.
#[macro_export]
macro_rules! needs_docker {
    () => {
        if let Err(reason) = $crate::docker::available() {
            $crate::skip!("docker", "{reason}");
        }
    };
}

/// The name of an image to compile in; skips the test where there is none and none can be made.
#[macro_export]
macro_rules! needs_builder_image {
    () => {{
        $crate::needs_docker!();
        match $crate::docker::builder_image() {
            Ok(image) => image,
            Err(reason) => $crate::skip!("docker-base", "{reason}"),
        }
    }};
}

/// The name of an image that stands in for the Dockerfile's `BUILDER_IMAGE`.
/// It is made if the engine does not have it: about a minute the first time. It panics if that is tried and
/// fails.
///
/// It also has the packages that the executor is built with, as of its making, so that a build does not
/// depend on the network; cargo fetches those that were added since.
///
/// # Errors
///
/// Fails if something is missing on this machine that the image needs, and names it.
pub fn builder_image() -> Result<String, String> {
    static IMAGE: OnceLock<Result<String, String>> = OnceLock::new();
    IMAGE.get_or_init(|| Recipe::read().and_then(|recipe| recipe.image())).clone()
}

/// Images that a test builds or pulls. They are removed when no test of this process has any: a build looks through
/// all images of the engine for layers that it could use, and fails with "unable to find image" if one of them is
/// removed meanwhile (the classic builder of Docker 20.10, `getLocalCachedImage`).
pub struct Images {
    prefix: Option<String>,
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images").finish_non_exhaustive()
    }
}

/// The images of the tests of this process.
struct OfTests {
    /// Number of tests that have some.
    tests: usize,
    /// The prefixes of those that nobody needs any more.
    over: Vec<String>,
}

static OF_TESTS: Mutex<OfTests> = Mutex::new(OfTests { tests: 0, over: Vec::new() });

impl Images {
    /// Images whose repository has this prefix, which is the test's own.
    #[must_use]
    pub fn named(prefix: impl Into<String>) -> Self {
        Self::begin(Some(prefix.into()))
    }

    /// Images that stay in the engine.
    #[must_use]
    pub fn kept() -> Self {
        Self::begin(None)
    }

    fn begin(prefix: Option<String>) -> Self {
        // This waits while images are removed.
        OF_TESTS.lock().unwrap_or_else(PoisonError::into_inner).tests += 1;
        Self { prefix }
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        let mut all = OF_TESTS.lock().unwrap_or_else(PoisonError::into_inner);
        all.tests -= 1;
        // Those of a test that has failed are left, to be looked at.
        all.over.extend(self.prefix.take().filter(|_| !std::thread::panicking()));
        if all.tests == 0 && !std::thread::panicking() {
            remove_images(&std::mem::take(&mut all.over));
        }
    }
}

/// Removes all images whose repository has one of these prefixes.
pub fn remove_images(prefixes: &[String]) {
    for prefix in prefixes {
        assert!(!prefix.is_empty() && !REPOSITORY.starts_with(prefix), "{prefix:?} is not a test's own");
    }
    let list = run(docker_command().args(["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]));
    let own = |line: &&str| prefixes.iter().any(|prefix| line.starts_with(prefix));
    for line in list.lines().filter(own) {
        let (name, id) = line.split_once(' ').unwrap_or((line, line));
        // An image that was pulled or pushed by digest alone has no tag.
        let image = if name.ends_with(":<none>") { id } else { name };
        run(docker_command().args(["rmi", "--force", image]));
    }
}

/// The parts of a base image.
struct Recipe {
    /// Debian's name for the release, and the address of this machine's packages.
    suite: String,
    mirror: String,
    /// The compiler's version, and its folder.
    toolchain: String,
    sysroot: PathBuf,
}

impl Recipe {
    fn read() -> Result<Self, String> {
        if env::consts::ARCH != "x86_64" || env::consts::OS != "linux" {
            return Err("the builder's image can be made on Linux on x86_64 only".to_owned());
        }
        let (mirror, suite) = package_source()?;
        // This runs in the repository's folder, where rust-toolchain.toml chooses the compiler.
        let rustc = |args: &[&str]| run(Command::new("rustc").args(args).current_dir(root()));
        let toolchain = rustc(&["--version"]).split(' ').nth(1).unwrap_or_default().to_owned();
        let sysroot = rustc(&["--print", "sysroot"]).trim().into();
        Ok(Self { suite, mirror, toolchain, sysroot })
    }

    /// A hash of everything that the base system is made of, including this program.
    fn hash(&self) -> String {
        let certificates = fs::read(CERTIFICATES).unwrap_or_default();
        let parts =
            [self.suite.as_bytes(), self.mirror.as_bytes(), &certificates, include_bytes!("docker.rs")];
        // FNV-1a: enough to tell recipes apart.
        let hash = parts.iter().flat_map(|part| part.iter()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }

    fn image(&self) -> Result<String, String> {
        let hash = self.hash();
        let name = format!("{REPOSITORY}:{}-{}", self.toolchain, &hash[..8]);
        let cache = cache_dir();
        fs::create_dir_all(&cache)
            .unwrap_or_else(|error| panic!("failed to make {}: {error}", cache.display()));
        // Test programs run at the same time: the first makes the image, the others wait. The lock ends with
        // the process, in whatever way that ends.
        let lock = File::create(cache.join("lock")).expect("make the lock's file");
        lock.lock().expect("lock a file");
        if docker(["image", "inspect", &name]).is_ok_and(|output| output.status.success()) {
            return Ok(name);
        }
        let base = self.base(&cache, &hash)?;
        self.import(&cache, &base, &name);
        Ok(name)
    }

    /// Debian's part, as a tar file that is kept, since it takes long to make.
    fn base(&self, cache: &Path, hash: &str) -> Result<PathBuf, String> {
        let file = cache.join(format!("{}-{hash}.tar", self.suite));
        if file.is_file() {
            return Ok(file);
        }
        if !rustix::process::geteuid().is_root() {
            return Err("only root can make the builder's image, with debootstrap".to_owned());
        }
        if !in_path("debootstrap") {
            return Err("debootstrap is not installed (on Debian: apt-get install debootstrap)".to_owned());
        }
        // These are files of earlier recipes and of killed runs.
        for entry in fs::read_dir(cache).expect("read the cache folder").flatten() {
            match entry.file_name().to_string_lossy() {
                name if name.starts_with("making-") => drop(fs::remove_dir_all(entry.path())),
                name if name.ends_with(".tar") => drop(fs::remove_file(entry.path())),
                _ => {}
            }
        }
        let scratch =
            tempfile::Builder::new().prefix("making-").tempdir_in(cache).expect("make a temporary folder");
        let tree = scratch.path().join("tree");
        run(Command::new("debootstrap")
            .arg("--variant=minbase")
            .arg(format!("--include={PACKAGES}"))
            .arg(&self.suite)
            .arg(&tree)
            .arg(&self.mirror));
        for folder in ["var/cache/apt", "var/lib/apt/lists"] {
            fs::remove_dir_all(tree.join(folder)).expect("remove the packages, now unpacked");
        }
        fs::copy(CERTIFICATES, tree.join(CERTIFICATES.trim_start_matches('/')))
            .unwrap_or_else(|error| panic!("failed to copy {CERTIFICATES}: {error}"));
        let made = scratch.path().join("made");
        run(Command::new("tar")
            .arg("--create")
            .arg("--file")
            .arg(&made)
            .arg("--directory")
            .arg(&tree)
            .arg("."));
        fs::rename(&made, &file).expect("keep the base system");
        Ok(file)
    }

    /// Adds the toolchain and the packages and imports the whole into the engine. It has to be one file, in
    /// which no path occurs twice: engines refuse that.
    fn import(&self, cache: &Path, base: &Path, name: &str) {
        let scratch =
            tempfile::Builder::new().prefix("making-").tempdir_in(cache).expect("make a temporary folder");
        let whole = scratch.path().join("whole.tar");
        fs::copy(base, &whole).expect("copy the base system");
        // The documentation and the components that check and format are left out.
        append(&whole, &self.sysroot, "usr/local/rust", &["bin/cargo", "bin/rustc", "lib"]);
        let home = cargo_home();
        let packages = cargo_files(&home);
        append(&whole, &home, "usr/local/cargo", &packages);
        let mut import = docker_command();
        import.args(["import", "--platform", "linux/amd64"]);
        for change in CHANGES {
            import.args(["--change", change]);
        }
        run(import.args(["-", name]).stdin(File::open(&whole).expect("open the file just written")));
    }
}

/// Appends files of a folder to a tar file, below another folder.
fn append(tar: &Path, folder: &Path, below: &str, files: &[impl AsRef<Path>]) {
    let list = tar.with_extension("list");
    let lines: Vec<String> = files.iter().map(|file| file.as_ref().display().to_string()).collect();
    fs::write(&list, lines.join("\n")).expect("write a list of files");
    run(Command::new("tar")
        .arg("--append")
        .arg("--file")
        .arg(tar)
        .args(["--owner=0", "--group=0", "--numeric-owner", "--verbatim-files-from"])
        // The targets of symbolic links are not changed.
        .arg(format!("--transform=s,^,{below}/,SH"))
        .arg("--directory")
        .arg(folder)
        .arg("--files-from")
        .arg(&list));
}

/// The address from which this machine's apt gets Debian's (or a derivative's) main packages, and the
/// release's name.
fn package_source() -> Result<(String, String), String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .ok_or("/etc/os-release names no VERSION_CODENAME: not Debian")?
        .trim_matches('"');
    // apt itself reads its sources, which have two formats.
    let targets = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"])
        .output()
        .map_err(|error| format!("apt-get cannot be started: {error}"))?;
    String::from_utf8_lossy(&targets.stdout)
        .lines()
        .find_map(|line| {
            let mut words = line.split(' ');
            let mirror = words.next()?;
            (words.next() == Some(codename) && words.next() == Some("main"))
                .then(|| (mirror.to_owned(), codename.to_owned()))
        })
        .ok_or_else(|| format!("apt has no source for the main packages of {codename}"))
}

/// The files below cargo's home that a build needs: the registry's index entry of every package in
/// Cargo.lock, and the packages. These are more than the executor needs: cargo may read a package before it
/// finds that nothing uses it.
fn cargo_files(home: &Path) -> Vec<PathBuf> {
    run(Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["fetch", "--locked", "--target", "x86_64-unknown-linux-gnu"])
        .current_dir(root()));
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("read Cargo.lock");
    let value = |line: &str, key: &str| {
        Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
    };
    let packages: Vec<(String, String)> = lock
        .split("[[package]]\n")
        .filter_map(|package| {
            let mut lines = package.lines();
            Some((value(lines.next()?, "name")?, value(lines.next()?, "version")?))
        })
        .collect();
    // The folders below are named after the registry.
    let mut files: Vec<PathBuf> = Vec::new();
    for index in folders(&home.join("registry/index")) {
        files.push(index.join("config.json"));
        files.extend(packages.iter().map(|(name, _)| index.join(".cache").join(index_path(name))));
    }
    for cache in folders(&home.join("registry/cache")) {
        files.extend(packages.iter().map(|(name, version)| cache.join(format!("{name}-{version}.crate"))));
    }
    // Several versions of a package have one entry in the index.
    files.sort_unstable();
    files.dedup();
    // Our own packages are in no registry, and those for other platforms are not fetched.
    files.retain(|file| file.is_file());
    files.iter().filter_map(|file| file.strip_prefix(home).ok()).map(Path::to_owned).collect()
}

/// The path of a package in an index ("The Cargo Book", Registry Index, "Index files").
fn index_path(name: &str) -> PathBuf {
    let name = name.to_ascii_lowercase();
    let folder = match name.len() {
        length @ 1..=2 => length.to_string(),
        3 => format!("3/{}", &name[..1]),
        _ => format!("{}/{}", &name[..2], &name[2..4]),
    };
    Path::new(&folder).join(name)
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The repository's folder.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn home() -> PathBuf {
    env::home_dir().expect("this account has a home")
}

fn cargo_home() -> PathBuf {
    env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from)
}

fn cache_dir() -> PathBuf {
    env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| home().join(".cache"), PathBuf::from)
        .join("quill-admin-test")
}

fn in_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|directory| directory.join(program).is_file()))
}

fn docker<const N: usize>(args: [&str; N]) -> io::Result<Output> {
    docker_command().args(args).output()
}

/// The `docker` program, for a test's own commands. It uses the classic builder: newer versions of the
/// program need a plug-in for the other one.
#[must_use]
pub fn docker_command() -> Command {
    let mut command = Command::new("docker");
    command.env("DOCKER_BUILDKIT", "0").stdin(Stdio::null());
    command
}

/// Runs a program that has to succeed; returns its output.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::{index_path, root};

    #[test]
    fn the_index_is_laid_out_as_documented() {
        for (name, path) in [
            ("a", "1/a"),
            ("cc", "2/cc"),
            ("log", "3/l/log"),
            ("serde", "se/rd/serde"),
            ("MyCr", "my/cr/mycr"),
        ] {
            assert_eq!(index_path(name), Path::new(path));
        }
    }

    #[test]
    fn the_dockerfile_compiles_with_the_toolchain_of_the_repository() {
        let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
        let version =
            toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
        let dockerfile = fs::read_to_string(root().join("docker/Dockerfile")).unwrap();
        let image = dockerfile.lines().find_map(|line| line.strip_prefix("ARG BUILDER_IMAGE=")).unwrap();
        assert_eq!(image, format!("rust:{version}-slim-bookworm"));
    }

    #[test]
    fn the_dockerfile_knows_every_member_of_the_workspace() {
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let (_, members) = manifest.split_once("members = [").unwrap();
        let (members, _) = members.split_once(']').unwrap();
        let expected: Vec<String> = members
            .split(',')
            .map(|member| member.trim().trim_matches('"'))
            .filter(|member| !member.is_empty())
            .map(|member| format!("COPY {member}/Cargo.toml {member}/"))
            .collect();
        let dockerfile = fs::read_to_string(root().join("docker/Dockerfile")).unwrap();
        let copied: Vec<&str> = dockerfile
            .lines()
            .filter(|line| line.starts_with("COPY ") && line.contains("/Cargo.toml "))
            .collect();
        assert_eq!(copied, expected);
    }
}
