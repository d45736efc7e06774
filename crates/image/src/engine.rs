//! The Docker Engine: builds, exports, tags and pushes images.
//!
//! Only the engine's API is used, never the `docker` program, which may not be installed.
//!
//! To add a call: a method of [`Engine`], with its kind of failure in `error.rs`. To add a progress message: a
//! variant of [`BuildEvent`], and `report/reporter.rs` of the command-line program.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use bollard::auth::DockerCredentials;
use bollard::models::{BuildInfo, BuildInfoAux};
use bollard::query_parameters::{
    BuildImageOptionsBuilder, BuilderVersion, PushImageOptionsBuilder, TagImageOptionsBuilder,
};
use bollard::{BollardRequest, Docker};
use futures::{StreamExt as _, TryStreamExt as _};
use http::HeaderValue;
use jiff::Timestamp;

use crate::address::{self, Address};
use crate::assemble::Image;
use crate::builder::Builder;
use crate::context::Context;
use crate::credentials::{CredentialStore, registry_in_command};
use crate::error::{ImageError, ImageErrorKind};
use crate::export;
use crate::name::Repository;
use crate::recipe::base_images;
use crate::token::{TOKEN_USER, Token};

/// Seconds until the engine has to begin its answer; a build or a push may then take any time.
const ANSWER_WITHIN: u64 = 120;
/// Largest number of lines of a failed step's output that are shown: the last ones.
const KEPT_LINES: usize = 2000;

/// A connection to a Docker engine that answers.
pub struct Engine {
    docker: Docker,
    address: String,
    version: String,
    platform: String,
    builder: Builder,
    credentials: CredentialStore,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// A request for one build.
pub struct BuildRequest<'a> {
    /// The files of the build.
    pub context: &'a Context,
    /// The stage to build. It is always named, since the last stage of a file is not always the intended one.
    pub target: &'a str,
    /// Build arguments.
    pub args: &'a [(String, String)],
    /// The image's name and tag in the engine.
    pub image: &'a str,
    /// Whether to build every step, even if it is cached.
    pub no_cache: bool,
    /// The access token for registries of base images that Docker's own configuration has no password for. It
    /// is used only for those that it may be sent to.
    pub token: Option<&'a Token>,
}

impl std::fmt::Debug for BuildRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuildRequest").finish_non_exhaustive()
    }
}

/// An image in the engine.
#[derive(Debug, Clone)]
pub struct LocalImage {
    /// Its id, the digest of its configuration: `sha256:…`.
    pub id: String,
    /// Its size without compression, in bytes.
    pub size: u64,
    /// `os/architecture`.
    pub platform: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
}

/// An event during the build or push of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildEvent {
    /// A step has begun, or was found in the cache.
    Step {
        /// The step, as the builder names it.
        name: String,
        /// Whether the step was found in the cache.
        cached: bool,
    },
    /// A line of a step's output.
    Output(String),
    /// A message for the person.
    Note(String),
    /// The progress of a push, in bytes before compression.
    Pushed {
        /// The bytes that have been pushed.
        done: u64,
        /// The bytes in all, as far as that is known.
        total: u64,
    },
}

impl Engine {
    /// Finds the engine in the way of `docker` (`DOCKER_HOST`, the current context, the usual socket), and
    /// checks that it answers. `variable` looks up an environment variable.
    ///
    /// # Errors
    ///
    /// Fails if no engine is found, if it does not answer, or if this user may not use it.
    pub async fn connect(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ImageError> {
        const DOING: &str = "reach the Docker engine";
        let address = address::find(&variable)?;
        let failed = |error: &bollard::errors::Error| {
            let mut failed = ImageError::engine(ImageErrorKind::NoEngine, DOING, error);
            if let Some(folder) = address.tls()
                && failed.message.to_lowercase().contains("certificate")
            {
                let message = format!("no TLS with {address} ({})", failed.message);
                return ImageError::new(ImageErrorKind::EngineAddress, DOING, message).hint(format!(
                    "check ca.pem, cert.pem and key.pem in {}: they are of that engine's authority",
                    folder.display()
                ));
            }
            failed.message = match failed.kind {
                ImageErrorKind::NoPermission => format!("this user may not use {address}"),
                _ => format!("nothing answers at {address} ({})", failed.message),
            };
            match failed.kind {
                ImageErrorKind::NoEngine => failed.hint(address.hint()),
                _ => failed,
            }
        };
        let docker = connect(&address).map_err(|error| failed(&error))?;
        let docker = docker.with_request_modifier(mended);
        let version = docker.version().await.map_err(|error| failed(&error))?;
        let os = version.os.unwrap_or_else(|| "linux".to_owned());
        let arch = version.arch.unwrap_or_else(|| "amd64".to_owned());
        // Moby's engine has BuildKit since API 1.39 (Engine 18.09); Podman's, which has the same API, does
        // not. `docker build` reads the same variable.
        let modern = version.api_version.as_deref().and_then(api).is_some_and(|api| api >= (1, 39));
        let podman = version
            .components
            .iter()
            .flatten()
            .any(|component| component.name.to_lowercase().contains("podman"));
        let wanted = variable("DOCKER_BUILDKIT").as_deref() != Some("0");
        let builder =
            if modern && !podman && wanted && os == "linux" { Builder::BuildKit } else { Builder::Classic };
        Ok(Self {
            docker,
            address: address.into_url(),
            version: version.version.unwrap_or_default(),
            platform: format!("{os}/{arch}"),
            builder,
            credentials: CredentialStore::new(&variable),
        })
    }

    /// The address at which the engine was found.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The engine's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The engine's own platform, such as `linux/arm64` on Apple silicon, whose programs run fastest.
    #[must_use]
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// The builder that the engine uses.
    #[must_use]
    pub fn builder(&self) -> Builder {
        self.builder
    }

    /// The folder in which the engine keeps images, as this machine sees it; `None` where the engine is on
    /// another machine, such as Docker Desktop's virtual one.
    ///
    /// # Errors
    ///
    /// Fails if the engine cannot be asked.
    pub async fn folder(&self) -> Result<Option<PathBuf>, ImageError> {
        if !self.address.starts_with("unix://") {
            return Ok(None);
        }
        let info = self.docker.info().await.map_err(|error| {
            ImageError::engine(ImageErrorKind::Engine, "ask the Docker engine about itself", &error)
        })?;
        Ok(info.docker_root_dir.map(PathBuf::from).filter(|folder| folder.is_dir()))
    }

    /// An image that the engine has, or `None`.
    ///
    /// # Errors
    ///
    /// Fails if the engine cannot be asked.
    pub async fn image(&self, name: &str) -> Result<Option<LocalImage>, ImageError> {
        match self.docker.inspect_image(name).await {
            Ok(image) => {
                let labels = image.config.and_then(|config| config.labels).unwrap_or_default();
                let platform =
                    format!("{}/{}", image.os.unwrap_or_default(), image.architecture.unwrap_or_default());
                Ok(Some(LocalImage {
                    id: image.id.unwrap_or_default(),
                    size: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                    platform,
                    labels,
                }))
            }
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => {
                Err(ImageError::engine(ImageErrorKind::Engine, format!("look at the image {name}"), &error))
            }
        }
    }

    /// Builds an image for [`crate::PLATFORM`]. Dropping the future cancels the build.
    ///
    /// # Errors
    ///
    /// Fails if a base image cannot be pulled, if a step of the build fails, if a disk is full, or if the
    /// engine breaks off.
    pub async fn build(
        &self,
        request: &BuildRequest<'_>,
        emit: &(dyn Fn(BuildEvent) + Send + Sync),
    ) -> Result<LocalImage, ImageError> {
        const DOING: &str = "build the image";
        let archive = tokio::fs::File::from_std(request.context.archive()?);
        let body = bollard::body_try_stream(tokio_util::io::ReaderStream::new(archive));
        let args: HashMap<String, String> = request.args.iter().cloned().collect();
        let options = BuildImageOptionsBuilder::default()
            .dockerfile(request.context.dockerfile())
            .target(request.target)
            .t(request.image)
            .buildargs(&args)
            .platform(crate::PLATFORM)
            .nocache(request.no_cache)
            .rm(true)
            .forcerm(true);
        let images = base_images(request.context.recipe(), request.args);
        let note = |text| emit(BuildEvent::Note(text));
        let credentials = self.credentials.find(&images, request.token, &note).await;
        let session = format!("quill-admin-{}", uuid::Uuid::new_v4());
        let options = match self.builder {
            Builder::BuildKit => options.version(BuilderVersion::BuilderBuildKit).session(&session),
            Builder::Classic => options.version(BuilderVersion::BuilderV1),
        };
        let mut steps = Steps::new(self.builder, emit);
        let mut answers =
            self.docker.build_image(options.build(), credentials.for_engine(self.builder), Some(body));
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(info) => steps.take(info),
                Err(error) => return Err(steps.failed(DOING, &error, &images)),
            }
        }
        drop(answers);
        // A stream that just ends is no success: the image has to exist.
        let image = self.image(request.image).await?.filter(|_| steps.image_made);
        let image = image.ok_or_else(|| {
            ImageError::new(ImageErrorKind::BuildFailed, DOING, "the engine stopped without an image")
        })?;
        if image.platform != crate::PLATFORM {
            return Err(ImageError::new(
                ImageErrorKind::BuildFailed,
                DOING,
                format!("the image is for {}, not for {}", image.platform, crate::PLATFORM),
            ));
        }
        Ok(image)
    }

    /// An image of the engine, put together so that the same sources give the same digest; `created` is
    /// written as its time of creation.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not give out the image, or if the image cannot be read or written to a
    /// temporary file.
    pub async fn assembled(&self, image: &str, created: Timestamp) -> Result<Image, ImageError> {
        export::assembled(&self.docker, image, created).await
    }

    /// Gives an image of the engine another name and tag.
    ///
    /// # Errors
    ///
    /// Fails if the engine has no such image or refuses the name.
    pub async fn tag(&self, image: &str, repository: &Repository, tag: &str) -> Result<(), ImageError> {
        let options = TagImageOptionsBuilder::default().repo(&repository.to_string()).tag(tag).build();
        self.docker.tag_image(image, Some(options)).await.map_err(|error| {
            ImageError::engine(
                ImageErrorKind::Engine,
                format!("tag the image {}", repository.tagged(tag)),
                &error,
            )
        })
    }

    /// Pushes one tag of a repository; returns the digest of the image's manifest. Layers that the registry
    /// has are not sent again, so that a push that broke off continues where it was; the tag is moved by the
    /// last request, after everything else is there.
    ///
    /// # Errors
    ///
    /// Fails if the registry refuses the image or cannot be reached, or if the engine reports no digest.
    pub async fn push(
        &self,
        repository: &Repository,
        tag: &str,
        token: Option<&Token>,
        emit: &(dyn Fn(BuildEvent) + Send + Sync),
    ) -> Result<String, ImageError> {
        let name = repository.tagged(tag);
        let doing = || format!("push {name}");
        // The engine sends the token to the registry, and to any address that the registry names for its
        // tokens.
        let token = token.filter(|token| token.is_for(repository));
        let credentials = token.map(|token| DockerCredentials {
            username: Some(TOKEN_USER.to_owned()),
            password: Some(token.expose().to_owned()),
            serveraddress: Some(repository.registry().to_owned()),
            ..DockerCredentials::default()
        });
        let options = PushImageOptionsBuilder::default().tag(tag).build();
        // Answers do not name their layer, so only its size tells layers apart.
        let mut layers: BTreeMap<i64, i64> = BTreeMap::new();
        let mut digest = None;
        // The engine reports this for every layer and every second of the pause, and never the reason (Moby,
        // `xfer`).
        let mut retries = false;
        let mut answers = self.docker.push_image(&repository.to_string(), Some(options), credentials);
        while let Some(answer) = answers
            .try_next()
            .await
            .map_err(|error| ImageError::engine(ImageErrorKind::PushFailed, doing(), &error))?
        {
            if let Some(progress) = answer.progress_detail
                && let (Some(current), Some(total)) = (progress.current, progress.total)
            {
                layers.insert(total, current.min(total));
                let sum = |values: i64| u64::try_from(values).unwrap_or(0);
                emit(BuildEvent::Pushed {
                    done: sum(layers.values().sum()),
                    total: sum(layers.keys().sum()),
                });
            }
            let status = answer.status.as_deref().unwrap_or_default();
            if status.starts_with("Retrying in ") && !retries {
                retries = true;
                emit(BuildEvent::Note(
                    "the engine could not send a layer to the registry and tries again".to_owned(),
                ));
            }
            digest = digest_of(status, tag).or(digest);
        }
        digest.ok_or_else(|| {
            ImageError::new(ImageErrorKind::PushFailed, doing(), "the engine stopped without naming a digest")
        })
    }
}

/// Reads the digest from the last line of a push: `TAG: digest: sha256:… size: …`.
fn digest_of(status: &str, tag: &str) -> Option<String> {
    let rest = status.strip_prefix(tag)?.strip_prefix(": digest: ")?;
    rest.split(' ').next().map(str::to_owned)
}

/// Turns the builder's messages into events, and remembers the output of the current step.
struct Steps<'a> {
    builder: Builder,
    emit: &'a (dyn Fn(BuildEvent) + Send + Sync),
    /// The output of each step, by the builder's name for it.
    output: HashMap<String, Vec<String>>,
    names: HashMap<String, String>,
    /// The current step of the classic builder, which runs one step at a time.
    current: String,
    failed: Option<String>,
    image_made: bool,
}

impl<'a> Steps<'a> {
    fn new(builder: Builder, emit: &'a (dyn Fn(BuildEvent) + Send + Sync)) -> Self {
        Self {
            builder,
            emit,
            output: HashMap::new(),
            names: HashMap::new(),
            current: String::new(),
            failed: None,
            image_made: false,
        }
    }

    fn take(&mut self, info: BuildInfo) {
        match info.aux {
            Some(BuildInfoAux::BuildKit(status)) => {
                for vertex in status.vertexes {
                    let begun = vertex.started.is_some() && !self.names.contains_key(&vertex.digest);
                    if begun {
                        self.names.insert(vertex.digest.clone(), vertex.name.clone());
                        // The builder's internal steps are of no interest.
                        if vertex.name.starts_with('[') && !vertex.name.starts_with("[internal]") {
                            (self.emit)(BuildEvent::Step { name: vertex.name, cached: vertex.cached });
                        }
                    }
                    if !vertex.error.is_empty() {
                        self.failed = Some(vertex.digest);
                    }
                }
                for log in status.logs {
                    let text = String::from_utf8_lossy(&log.msg).into_owned();
                    self.print(&log.vertex, &text);
                }
            }
            Some(BuildInfoAux::Default(_)) => self.image_made = true,
            None => {}
        }
        if let Some(text) = info.stream {
            if let Some(name) = step(&text) {
                self.current.clone_from(&name);
                self.names.insert(name.clone(), name.clone());
                (self.emit)(BuildEvent::Step { name, cached: false });
            } else {
                let current = self.current.clone();
                self.print(&current, &text);
            }
        }
    }

    fn print(&mut self, step: &str, text: &str) {
        let lines = self.output.entry(step.to_owned()).or_default();
        for line in text.split(['\n', '\r']).map(str::trim_end).filter(|line| !line.is_empty()) {
            if lines.len() == KEPT_LINES {
                lines.remove(0);
            }
            lines.push(line.to_owned());
            (self.emit)(BuildEvent::Output(line.to_owned()));
        }
    }

    fn failed(mut self, doing: &str, error: &bollard::errors::Error, images: &[String]) -> ImageError {
        let step = match self.builder {
            Builder::BuildKit => self.failed.unwrap_or_default(),
            Builder::Classic => self.current,
        };
        let name = self.names.get(&step).cloned().unwrap_or_default();
        // A step that only names a base image fails for one reason.
        let kind = if name.contains(" FROM ") || name.contains("load metadata for") {
            ImageErrorKind::BaseImage
        } else {
            ImageErrorKind::BuildFailed
        };
        let mut failed = ImageError::engine(kind, doing, error);
        // The registry of the base image refused the engine, and not ours.
        let refused = matches!(failed.kind, ImageErrorKind::NotSignedIn | ImageErrorKind::PermissionDenied)
            || failed.message.contains("401 Unauthorized")
            || failed.message.contains("403 Forbidden")
            || failed.message.contains("pull access denied");
        if refused {
            failed.kind = kind;
            failed.hint = (kind == ImageErrorKind::BaseImage).then(|| {
                let registries: Vec<&str> = images.iter().map(|image| registry_in_command(image)).collect();
                format!(
                    "sign Docker in to the registry of that image with: docker login {}, or name another image \
                     with --builder-image",
                    if let [one] = registries.as_slice() { one } else { "REGISTRY" }
                )
            });
        }
        if !name.is_empty() {
            failed.message = format!("step \"{name}\": {}", failed.message);
        }
        failed.output = self.output.remove(&step).unwrap_or_default();
        failed
    }
}

/// The instruction in a line `Step 3/12 : RUN …` of the classic builder.
fn step(text: &str) -> Option<String> {
    let rest = text.strip_prefix("Step ")?;
    let (number, what) = rest.split_once(" : ")?;
    Some(format!("[{number}] {}", what.trim_end()))
}

/// The version of the API, such as `1.41`, as numbers.
fn api(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A request in the form that the engine reads: it wants passwords in base64 with the URL-safe alphabet, and
/// bollard uses the other one (Moby, `registry.DecodeAuthConfig`, and `getAuthConfigs` of the build, which
/// ignores passwords that it cannot read). Where both alphabets give the same text nothing changes.
fn mended(mut request: BollardRequest) -> BollardRequest {
    for name in ["x-registry-auth", "x-registry-config"] {
        if let Some(value) = request.headers_mut().get_mut(name)
            && let Ok(text) = value.to_str()
            && let Ok(mut safe) = text.replace('+', "-").replace('/', "_").parse::<HeaderValue>()
        {
            safe.set_sensitive(true);
            *value = safe;
        }
    }
    request
}

fn connect(address: &Address) -> Result<Docker, bollard::errors::Error> {
    let (url, version) = (address.url(), bollard::API_DEFAULT_VERSION);
    if let Some(folder) = address.tls() {
        let [key, certificate, authority] = ["key.pem", "cert.pem", "ca.pem"].map(|name| folder.join(name));
        let url = url.replacen("http://", "tcp://", 1);
        return Docker::connect_with_ssl(&url, &key, &certificate, &authority, ANSWER_WITHIN, version);
    }
    if let Some(host) = url.strip_prefix("tcp://") {
        return Docker::connect_with_http(&format!("http://{host}"), ANSWER_WITHIN, version);
    }
    if url.starts_with("http://") {
        return Docker::connect_with_http(url, ANSWER_WITHIN, version);
    }
    Docker::connect_with_local(url, ANSWER_WITHIN, version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_reaches_the_engine_in_the_alphabet_that_it_reads() {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, URL_SAFE};
        for name in ["X-Registry-Config", "X-Registry-Auth"] {
            for start in ["", ".", ".."] {
                let text = format!("{start}{{\"password\":\"p?ss>w~rd+/?~>\"}}");
                let encoded = STANDARD.encode(&text);
                assert!(encoded.contains(['+', '/']), "{encoded}");
                let request = http::Request::get("/build").header(name, &encoded);
                let request = request.body(bollard::body_full("".into())).expect("a request");
                let mended = mended(request);
                let value = mended.headers()[name].to_str().expect("text");
                assert_eq!(URL_SAFE.decode(value).expect("as the engine reads it"), text.as_bytes());
                assert!(!format!("{:?}", mended.headers()).contains(value), "nor is it shown");
            }
        }
    }

    #[test]
    fn lines_of_the_engine_are_understood() {
        assert_eq!(digest_of("abc: digest: sha256:00 size: 740", "abc").as_deref(), Some("sha256:00"));
        assert_eq!(digest_of("Pushed", "abc"), None);
        assert_eq!(step("Step 3/12 : RUN cargo build\n").as_deref(), Some("[3/12] RUN cargo build"));
        assert_eq!(step(" ---> 1234"), None);
        assert!(api("1.41") > api("1.39") && api("1.9") < api("1.39"));
    }
}
