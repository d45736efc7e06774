//! Steps that build an image, in GitHub's workflows and actions ("Workflow syntax for GitHub Actions").
//!
//! An action counts as one that builds by its inputs, not by its name: there are many that replace Docker's
//! own, and they all take the inputs `context`, `file` and `target`.

use quill_admin_yaml::{Format, Node, Value};

use super::dockerfile::Dockerfile;
use super::matrix::{Run, runs};
use super::path::{joined, varies};
use super::served::Served;
use super::yaml::{get, items, text};

/// The format of a workflow. A deeper file is not one.
const FORMAT: Format = Format { depth: 64, enough: "a workflow has", habit: |_| None };

/// A step that uses an action with the inputs of one that builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The line that names its stage, or should: its own, or that of the matrix entry that it takes the stage
    /// from.
    pub(super) line: u64,
    /// The line of its `uses`.
    pub(super) uses: u64,
    /// The action, without its version.
    pub(super) action: String,
    /// The Dockerfile's path in the checkout; `None` where that is known only when it runs.
    pub(super) dockerfile: Option<String>,
    /// The stage that it names.
    pub(super) target: Target,
    /// The last parts of the names of the images that it makes.
    images: Vec<String>,
    /// Whether it is certain to build, whatever its inputs mean.
    pub(super) is_known_to_build: bool,
}

/// The stage that a step names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// It names none.
    None,
    /// It names this one.
    Named(String),
    /// It names one that is known only when it runs.
    Varies,
}

impl Step {
    /// The stage that it is meant to build: the one that its image is named after, else the one that is
    /// served from its Dockerfile, else any that is served.
    pub(super) fn meant(&self, dockerfile: &Dockerfile, served: &[Served]) -> String {
        let named = self.images.iter().find(|image| dockerfile.has(image));
        let own = served.iter().find(|served| served.dockerfile == dockerfile.path);
        let own =
            own.or_else(|| served.iter().find(|served| dockerfile.has(&served.stage))).or(served.first());
        named.cloned().or_else(|| own.map(|served| served.stage.clone())).unwrap_or_default()
    }
}

/// Whether a file is a workflow or an action, by its path.
pub(super) fn is_one(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    matches!(extension, "yml" | "yaml")
        && (stem == "action" || format!("/{path}").contains("/.github/workflows/"))
}

/// The steps of a workflow, or of an action of the checkout itself, that build or may build an image.
///
/// # Errors
///
/// Fails, in words with the line, when the file is not YAML.
pub(super) fn steps(bytes: &[u8]) -> Result<Vec<Step>, String> {
    let document = quill_admin_yaml::read(bytes, &FORMAT)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let mut found = Vec::new();
    let jobs = get(&document.top, "jobs").map(|jobs| match &jobs.value {
        Value::Map(jobs) => jobs.as_slice(),
        _ => &[],
    });
    for (_, job) in jobs.unwrap_or_default() {
        let runs = runs(job);
        for node in get(job, "steps").map(items).unwrap_or_default() {
            found.extend(runs.iter().filter_map(|run| step(node, run)));
        }
    }
    let own = get(&document.top, "runs").and_then(|runs| get(runs, "steps"));
    found.extend(own.map(items).unwrap_or_default().iter().filter_map(|node| step(node, &Run::default())));
    Ok(found)
}

fn step(node: &Node, run: &Run<'_>) -> Option<Step> {
    let uses = get(node, "uses")?;
    let action = text(uses)?.split('@').next().unwrap_or_default().to_owned();
    let with = get(node, "with");
    let given = |key: &str| with.and_then(|with| get(with, key)).and_then(text);
    let input =
        |key: &str| given(key).map(|text| run.fill(text).trim().to_owned()).filter(|text| !text.is_empty());
    let is_known_to_build = action.ends_with("/build-push-action");
    if !is_known_to_build && !["context", "file", "target"].iter().any(|key| given(key).is_some()) {
        return None;
    }
    let context = input("context").map(|text| text.replace("{{defaultContext}}:", ""));
    let dockerfile = match input("file") {
        // The path starts at the checkout's root, where the action runs.
        Some(file) => joined("", &file),
        None => joined(context.as_deref().unwrap_or("."), "Dockerfile"),
    };
    let target = match input("target") {
        None => Target::None,
        Some(target) if varies(&target) => Target::Varies,
        Some(target) => Target::Named(target),
    };
    // An entry of a matrix names the stage, or should.
    let of_matrix = given("target").is_some_and(|text| text.contains("matrix."));
    let images = input("tags").unwrap_or_default();
    let last = |tag: &str| {
        let name = tag.trim().rsplit('/').next().unwrap_or_default();
        name.split([':', '@']).next().unwrap_or_default().to_owned()
    };
    Some(Step {
        line: run.line.filter(|_| of_matrix).unwrap_or(uses.place.line),
        uses: uses.place.line,
        action,
        dockerfile,
        target,
        images: images.split([',', '\n']).map(last).filter(|name| !name.is_empty()).collect(),
        is_known_to_build,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, Dockerfile, target.
    fn seen(text: &str) -> Vec<(u64, Option<String>, Target)> {
        let steps = steps(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        steps.into_iter().map(|step| (step.line, step.dockerfile, step.target)).collect()
    }

    #[test]
    fn steps_and_their_matrix() {
        let text = "\
name: Deploy
on: { push: { branches: [main] } }
jobs:
  build:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        include:
          - image: backend
            dockerfile: backend/Dockerfile
            target: prod
          - image: frontend
            dockerfile: frontend/Dockerfile
    steps:
      - uses: actions/checkout@v4
        with: { path: x }
      - uses: docker/build-push-action@v6
        with:
          context: .
          file: ${{ matrix.dockerfile }}
          target: ${{ matrix.target || '' }}
      - uses: depot/build-push-action@v1
        with: { context: \"{{defaultContext}}:frontend\" }
";
        let named = |name: &str| Target::Named(name.to_owned());
        let frontend = || Some("frontend/Dockerfile".to_owned());
        assert_eq!(
            seen(text),
            [
                (9, Some("backend/Dockerfile".to_owned()), named("prod")),
                (12, frontend(), Target::None),
                (22, frontend(), Target::None),
                (22, frontend(), Target::None),
            ]
        );
    }

    #[test]
    fn what_is_known_only_when_it_runs() {
        let text = "\
runs:
  steps:
    - uses: docker/build-push-action@v6
      with: { file: \"${{ inputs.file }}\", target: \"${{ inputs.target }}\" }
    - uses: someone/else@v1
      with: { target: prod }
    - run: docker build .
";
        assert_eq!(
            seen(text),
            [(3, None, Target::Varies), (5, Some("Dockerfile".to_owned()), Target::Named("prod".to_owned()))]
        );
        assert!(steps(b"jobs: [\n").is_err());
        assert_eq!(seen("- a list\n"), []);
    }

    #[test]
    fn a_step_is_meant_to_build_what_its_image_is_called() {
        let text = "\
jobs:
  b:
    steps:
      - uses: docker/build-push-action@v6
        with:
          file: backend/Dockerfile
          tags: |
            r.example/p/quill/admin:${{ github.sha }}
            r.example/p/quill/admin:latest
";
        let served = [Served { dockerfile: "backend/Dockerfile".to_owned(), stage: "prod".to_owned() }];
        let dockerfile = Dockerfile::read("backend/Dockerfile", "FROM x AS prod\nFROM x AS admin\n", &served)
            .expect("read");
        let meant = |text: &str| steps(text.as_bytes()).expect("read")[0].meant(&dockerfile, &served);
        assert_eq!(meant(text), "admin");
        assert_eq!(meant(&text.replace("quill/admin", "quill/backend")), "prod");
    }
}
