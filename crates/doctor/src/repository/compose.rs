//! Services of Compose files that are built ("Compose Build Specification").

use quill_admin_yaml::{Format, Value};

use super::command::{Build, Named};
use super::mention::Mention;
use super::path::joined;
use super::target::Target;
use super::yaml::{self, entries, get, text};

/// The format of a Compose file. A deeper file is not one.
const FORMAT: Format = Format { depth: 64, enough: "a Compose file has", habit: |_| None };

/// The Compose files of a checkout.
#[derive(Debug, Default)]
pub(super) struct Composed {
    /// The paths of those that were read.
    files: Vec<String>,
    /// Their services that are built.
    services: Vec<Service>,
    /// Whether there is one that could not be read.
    is_partly_unread: bool,
}

/// A service that is built.
#[derive(Debug, Clone)]
struct Service {
    /// Its name.
    name: String,
    /// The line that says what is built.
    mention: Mention,
    /// The stage that it names.
    target: Target,
    /// The Dockerfile's path in the checkout; `None` where that is known only when it runs.
    dockerfile: Option<String>,
}

impl Composed {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Fails, in words with the line, when the file is not YAML.
    pub(super) fn read(&mut self, path: &str, file: &str) -> Result<(), String> {
        match services(path, file) {
            Ok(services) => {
                self.files.push(path.to_owned());
                self.services.extend(services);
                Ok(())
            }
            Err(why) => {
                self.is_partly_unread = true;
                Err(why)
            }
        }
    }

    /// The mentions of its services. One of `….override.yml` that names no stage has that of the file to which
    /// Compose adds it, because Compose does so without being told.
    pub(super) fn mentions(&self) -> Vec<Mention> {
        let stem = |service: &Service| {
            let file = &service.mention.file;
            file.rsplit_once('.').map_or(file.clone(), |(stem, _)| stem.to_owned())
        };
        let base = |service: &Service| {
            let base = stem(service).strip_suffix(".override")?.to_owned();
            self.services.iter().find(|other| other.name == service.name && stem(other) == base)
        };
        let mention = |service: &Service| {
            let base = base(service).filter(|_| service.target == Target::None);
            let target = base.unwrap_or(service).target.clone();
            let build = Build::Image { target, dockerfile: Named::at(service.dockerfile.as_deref()) };
            Mention { build, ..service.mention.clone() }
        };
        self.services.iter().map(mention).collect()
    }

    /// Whether all files that a command names are among those that were read, or any where it names none.
    pub(super) fn has(&self, named: &[String]) -> bool {
        let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        let is_read = |file: &String| self.files.iter().any(|own| name(own) == name(file));
        !self.files.is_empty() && !self.is_partly_unread && named.iter().all(is_read)
    }
}

/// Whether a file is one of Compose, by its text: its name may be any.
pub(super) fn is_one(path: &str, file: &str) -> bool {
    let mut lines =
        file.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    // A list of services belongs to another tool.
    super::lines::is_yaml(path)
        && lines.any(|line| line.trim_end() == "services:")
        && lines.next().is_some_and(|line| line.starts_with(' ') && !line.trim_start().starts_with("- "))
}

/// The services of a file that are built.
fn services(path: &str, file: &str) -> Result<Vec<Service>, String> {
    let document = yaml::read(file, &FORMAT)?;
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (name, service) in get(&document.top, "services").map(entries).unwrap_or_default() {
        let build = entries(service).iter().find(|(key, _)| text(key) == Some("build"));
        let Some((key, build)) = build.filter(|(_, build)| !matches!(build.value, Value::Nothing)) else {
            continue;
        };
        let given = |key: &str| get(build, key).and_then(text);
        let context = text(build).or_else(|| given("context")).unwrap_or(".");
        let dockerfile = given("dockerfile").unwrap_or("Dockerfile");
        found.push(Service {
            name: text(name).unwrap_or_default().to_owned(),
            mention: Mention::new(path, file, key.place.line, Build::Unknown),
            target: given("target").map_or(Target::None, Target::of),
            dockerfile: joined(folder, context)
                .and_then(|folder| joined(&folder, dockerfile))
                .filter(|_| given("dockerfile_inline").is_none()),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_are_built() {
        let text = "\
x-build: &build
  context: ../backend
services:
  short:
    build: backend
  image:
    image: postgres
  whole:
    build:
      context: .
      dockerfile: docker/Dockerfile
      target: prod
  varies:
    build: { context: ., target: \"${TARGET:-prod}\" }
  alias:
    build: *build
  merged:
    build:
      <<: *build
      target: admin
  away:
    build: https://example.com/x.git
  not:
    build: !reset null
    ports: !override [\"1:1\"]
";
        assert!(is_one("a/any.yml", text));
        let found: Vec<_> = services("a/any.yml", text)
            .expect("read")
            .into_iter()
            .map(|service| (service.name, service.mention.line, service.target, service.dockerfile))
            .collect();
        let dockerfile = |path: &str| Some(path.to_owned());
        let expected = [
            ("short", 5, Target::None, dockerfile("a/backend/Dockerfile")),
            ("whole", 9, Target::of("prod"), dockerfile("a/docker/Dockerfile")),
            ("varies", 14, Target::Varies, dockerfile("a/Dockerfile")),
            ("alias", 16, Target::None, dockerfile("backend/Dockerfile")),
            ("merged", 18, Target::of("admin"), dockerfile("backend/Dockerfile")),
            ("away", 22, Target::None, None),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, line, target, file)| (name.to_owned(), line, target, file))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_override_takes_the_stage_of_its_base() {
        let mut all = Composed::default();
        let base = "services:\n  a: { build: { target: prod } }\n  b: { build: . }\n";
        all.read("a/compose.yml", base).expect("read");
        let more = "services:\n  a: { build: { args: { X: 1 } } }\n  b: { build: . }\n";
        for path in ["a/compose.override.yaml", "compose.override.yml", "a/compose.ci.yml"] {
            all.read(path, more).expect("read");
        }
        let has_stage =
            |mention: &Mention| matches!(&mention.build, Build::Image { target: Target::Named(_), .. });
        let named: Vec<bool> = all.mentions().iter().map(has_stage).collect();
        assert_eq!(named, [true, false, true, false, false, false, false, false]);
    }

    #[test]
    fn the_files_that_a_command_names() {
        let mut composed = Composed::default();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(!composed.has(&[]));
        composed.read("docker/dev.yml", "services: {}\n").expect("read");
        assert!(composed.has(&[]) && composed.has(&names(&["../docker/dev.yml"])));
        assert!(!composed.has(&names(&["docker/dev.yml", "$OTHER"])));
        composed.read("x.yml", "services: [\n").expect_err("not YAML");
        assert!(!composed.has(&[]));
    }

    #[test]
    fn other_files_with_services() {
        assert!(!is_one("x.yml", "services:\n  - docker:dind\nbuild: {}\n"));
        assert!(!is_one("x.sh", "services:\n  a:\n"));
        assert!(!is_one("x.yml", "jobs:\n  services:\n    a:\n"));
        assert!(services("x.yml", "services: [\n").is_err());
    }
}
