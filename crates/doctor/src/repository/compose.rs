//! Services of Compose files that are built ("Compose Build Specification").

use quill_admin_yaml::{Format, Node, Value};

use super::command::{Build, Named};
use super::mention::Mention;
use super::path::{is_yaml, name};
use super::target::Target;
use super::yaml::{self, entries, get, text};

/// The format of a Compose file. A deeper file is not one.
const FORMAT: Format = Format { depth: 64, enough: "a Compose file has", habit: |_| None };

/// A service that is built.
#[derive(Debug)]
pub(super) struct Service {
    /// Its name.
    name: String,
    /// The line that says what is built.
    mention: Mention,
}

/// Whether a file may be one of Compose: by its name, or by its text, because the name may be any.
pub(super) fn is_one(path: &str, file: &str) -> bool {
    is_yaml(path)
        && (name(path).contains("compose")
            || file.lines().any(|line| {
                ["services:", "\"services\":", "'services':"].iter().any(|key| line.starts_with(key))
            }))
}

/// The services of a file that are built; `None` if it has no services of Compose.
///
/// # Errors
///
/// Fails, in words with the line, when the file is not YAML.
pub(super) fn services(path: &str, file: &str) -> Result<Option<Vec<Service>>, String> {
    let document = yaml::read(file, &FORMAT)?;
    // A list of services belongs to another tool.
    let Some(Value::Map(services)) = get(&document.top, "services").map(|services| &services.value) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for (name, service) in services {
        let build = entries(service).iter().find(|(key, _)| text(key) == Some("build"));
        let Some((key, build)) = build.filter(|(_, build)| !matches!(build.value, Value::Nothing)) else {
            continue;
        };
        // A Dockerfile in the file itself is not read, and with one stage nothing can go wrong.
        let inline = get(build, "dockerfile_inline").and_then(text);
        if inline.is_some_and(|inline| inline.to_lowercase().matches("from ").count() < 2) {
            continue;
        }
        found.push(Service {
            name: text(name).unwrap_or_default().to_owned(),
            mention: Mention::at(path, key.place.line, file, of_service(path, service, build)),
        });
    }
    Ok(Some(found))
}

/// What a service and the value of its `build:` say: a folder, or its parts.
fn of_service(path: &str, service: &Node, build: &Node) -> Build {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let given = |key: &str| get(build, key).and_then(text);
    let context = text(build).or_else(|| given("context")).unwrap_or(".");
    let dockerfile = match given("dockerfile_inline") {
        Some(_) => Named::At("dockerfile_inline".to_owned()),
        None => Named::at(&[folder, context, given("dockerfile").unwrap_or("Dockerfile")]),
    };
    Build {
        target: given("target").map_or(Target::None, Target::of),
        dockerfile,
        images: get(service, "image").and_then(text).map(str::to_owned).into_iter().collect(),
        is_compose: false,
    }
}

/// The mentions of services in all files. One of `….override.yml` that names no stage has that of the file to
/// which Compose adds it, because Compose does so without being told.
pub(super) fn mentions(services: &[Service]) -> Vec<Mention> {
    let stem = |service: &Service| {
        let file = &service.mention.file;
        file.rsplit_once('.').map_or(file.clone(), |(stem, _)| stem.to_owned())
    };
    let base = |service: &Service| {
        let base = stem(service).strip_suffix(".override")?.to_owned();
        services.iter().find(|other| other.name == service.name && stem(other) == base)
    };
    let mention = |service: &Service| {
        let mut mention = service.mention.clone();
        if mention.build.target == Target::None
            && let Some(base) = base(service)
        {
            mention.build.target = base.mention.build.target.clone();
        }
        mention
    };
    services.iter().map(mention).collect()
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
  outside:
    build: ../../other
  inline_with_one_stage:
    build:
      dockerfile_inline: FROM postgres
  inline:
    build:
      dockerfile_inline: |
        FROM x AS prod
        FROM x AS admin
";
        assert!(is_one("a/any.yml", text));
        let found: Vec<_> = services("a/any.yml", text)
            .expect("read")
            .expect("services")
            .into_iter()
            .map(|Service { name, mention }| {
                (name, mention.line, mention.build.target, mention.build.dockerfile)
            })
            .collect();
        let dockerfile = |path: &str| Named::At(path.to_owned());
        let away = "a/https://example.com/x.git/Dockerfile";
        let expected = [
            ("short", 5, Target::None, dockerfile("a/backend/Dockerfile")),
            ("whole", 9, Target::of("prod"), dockerfile("a/docker/Dockerfile")),
            ("varies", 14, Target::Varies, dockerfile("a/Dockerfile")),
            ("alias", 16, Target::None, dockerfile("backend/Dockerfile")),
            ("merged", 18, Target::of("admin"), dockerfile("backend/Dockerfile")),
            ("away", 22, Target::None, dockerfile(away)),
            ("outside", 27, Target::None, dockerfile("a/../../other/Dockerfile")),
            ("inline", 32, Target::None, dockerfile("dockerfile_inline")),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, line, target, file)| (name.to_owned(), line, target, file))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_override_takes_the_stage_of_its_base() {
        let base = "services:\n  a: { build: { target: prod } }\n  b: { build: . }\n";
        let read = |path: &str, text: &str| services(path, text).expect("read").expect("services");
        let mut all = read("a/compose.yml", base);
        let more = "services:\n  a: { build: { args: { X: 1 } } }\n  b: { build: . }\n";
        for path in ["a/compose.override.yaml", "compose.override.yml", "a/compose.ci.yml"] {
            all.extend(read(path, more));
        }
        let has_stage = |mention: &Mention| matches!(mention.build.target, Target::Named(_));
        let named: Vec<bool> = mentions(&all).iter().map(has_stage).collect();
        assert_eq!(named, [true, false, true, false, false, false, false, false]);
    }

    #[test]
    fn other_files_with_services() {
        assert!(services("x.yml", "services:\n  - docker:dind\nbuild: {}\n").expect("read").is_none());
        for text in ["services: # all\n  a:\n", "services: { a: { build: . } }\n", "\"services\":\n  a:\n"] {
            assert!(is_one("x.yaml", text), "{text}");
        }
        assert!(!is_one("x.sh", "services:\n  a:\n"));
        assert!(!is_one("x.yml", "jobs:\n  services:\n    a:\n"));
        assert!(services("x.yml", "services: [\n").is_err());
    }
}
