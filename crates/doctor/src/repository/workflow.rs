//! Steps that build an image, in GitHub's workflows and actions ("Workflow syntax for GitHub Actions").
//!
//! There are many actions that replace Docker's own, and most take its inputs. An action counts as one that
//! builds by its name and its inputs together: others have an input `target`, `file` or `context`, too.

use quill_admin_yaml::{Format, Node};

use super::command::{Build, Named};
use super::dockerfile::Dockerfile;
use super::matrix::{Run, runs};
use super::path::{image as image_name, is_yaml, name};
use super::served::Served;
use super::target::Target;
use super::yaml::{self, entries, get, items, text};

/// The format of a workflow. A deeper file is not one.
const FORMAT: Format = Format { depth: 64, enough: "a workflow has", habit: |_| None };
/// Parts of the names of actions that build images.
const BUILDERS: &[&str] = &["docker", "container", "image", "build", "bake", "kaniko", "podman", "depot"];
/// Parts of the names of actions that do something else with them.
const OTHERS: &[&str] = &["setup", "login", "metadata", "lint", "scan", "scout", "upload", "download"];
/// Inputs that name a Dockerfile or its folder.
const PLACES: &[&str] = &["file", "dockerfile", "context"];

/// A step that builds an image, or may build one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The line that names its stage, or should: its own, or that of the matrix entry that it takes the stage
    /// from.
    pub(super) line: u64,
    /// The line of its `uses`.
    pub(super) uses: u64,
    /// The action, without its version.
    pub(super) action: String,
    /// What it builds.
    pub(super) build: Build,
    /// How certain it is to build.
    pub(super) kind: Kind,
}

/// How certain a step is to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has the inputs of Docker's own action, with their meaning.
    LikeDockers,
    /// It builds, by its name. Its inputs may have another meaning.
    Builder,
    /// It builds if the Dockerfile that its inputs name is in the checkout.
    Perhaps,
}

impl Step {
    /// The stage that it is meant to build: the one that its image is named after, else the one that is
    /// served from its Dockerfile, else any that is served; `None` if the Dockerfile has no such stage.
    pub(super) fn meant(&self, dockerfile: &Dockerfile, served: &[Served]) -> Option<String> {
        let named = self.build.images.iter().map(|image| image_name(image));
        let own = served.iter().filter(|served| served.dockerfile == dockerfile.path).chain(served);
        let stages = named.chain(own.map(|served| served.stage.as_str()));
        stages.into_iter().find(|stage| dockerfile.stage(stage).is_some()).map(str::to_owned)
    }
}

/// Whether a file is a workflow or an action, by its path.
pub(super) fn is_one(path: &str) -> bool {
    let is_action = name(path).rsplit_once('.').is_some_and(|(stem, _)| stem == "action");
    is_yaml(path) && (is_action || format!("/{path}").contains("/.github/workflows/"))
}

/// The steps of a workflow, or of an action of the checkout itself, that build or may build an image.
///
/// # Errors
///
/// Fails, in words with the line, when the file is not YAML.
pub(super) fn steps(content: &str) -> Result<Vec<Step>, String> {
    let document = yaml::read(content, &FORMAT)?;
    let mut found = Vec::new();
    for (_, job) in get(&document.top, "jobs").map(entries).unwrap_or_default() {
        let runs = runs(job);
        // A job can use a whole workflow, as a step uses an action.
        let nodes = get(job, "steps").map(items).unwrap_or_default();
        for node in nodes.iter().chain([job]) {
            found.extend(runs.iter().filter_map(|run| step(node, nodes, run)));
        }
    }
    let own = get(&document.top, "runs").and_then(|runs| get(runs, "steps")).map(items).unwrap_or_default();
    found.extend(own.iter().filter_map(|node| step(node, own, &Run::default())));
    Ok(found)
}

fn step(node: &Node, others: &[Node], run: &Run<'_>) -> Option<Step> {
    let uses = get(node, "uses")?;
    let action = text(uses)?.split('@').next().unwrap_or_default().to_owned();
    let with = get(node, "with").map(entries).unwrap_or_default();
    let is_input = |key: &Node, name: &str| text(key).is_some_and(|key| key.eq_ignore_ascii_case(name));
    let given =
        |name: &str| with.iter().find(|(key, _)| is_input(key, name)).and_then(|(_, value)| text(value));
    let input =
        |key: &str| given(key).map(|text| run.fill(text).trim().to_owned()).filter(|text| !text.is_empty());
    let kind = kind(&action, |key| given(key).is_some())?;
    let context = input("context");
    let of_git = context.as_deref().and_then(|text| text.strip_prefix("{{defaultContext}}"));
    let folder = of_git.map(|folder| folder.trim_start_matches(':')).or(context.as_deref());
    let dockerfile = match (input("file").or_else(|| input("dockerfile")), folder) {
        // In a context that git brings, the file is there, too.
        (Some(file), Some(folder)) if of_git.is_some() || folder.contains("://") => {
            Named::at(&[folder, &file])
        }
        // Otherwise its path starts at the checkout's root, where the action runs.
        (Some(file), _) => Named::at(&[&file]),
        (None, Some(folder)) => Named::at(&[folder, "Dockerfile"]),
        (None, None) if kind == Kind::LikeDockers => Named::at(&["Dockerfile"]),
        (None, None) => Named::Unknown,
    };
    // An entry of a matrix names the stage, or should.
    let of_matrix = given("target").is_some_and(|text| text.contains("matrix."));
    let tags = ["tags", "image", "images"].into_iter().filter_map(input).collect::<Vec<_>>().join("\n");
    // The names that an action such as `docker/metadata-action` has made.
    let id = tags.split_once("steps.").and_then(|(_, after)| after.split('.').next());
    let maker = others.iter().find(|other| id.is_some() && get(other, "id").and_then(text) == id);
    let made = maker.and_then(|maker| get(maker, "with")).and_then(|with| get(with, "images")).and_then(text);
    let images = made.map_or(tags.clone(), |made| run.fill(made));
    Some(Step {
        line: run.line.filter(|_| of_matrix).unwrap_or(uses.place.line),
        uses: uses.place.line,
        action,
        build: Build {
            target: input("target").map_or(Target::None, |target| Target::of(&target)),
            dockerfile,
            images: images.split([',', '\n']).map(|name| name.trim().to_owned()).collect(),
            is_compose: false,
        },
        kind,
    })
}

/// How certain an action is to build an image, by its name and the inputs that it has; `None` if nothing speaks
/// for it.
fn kind(action: &str, has: impl Fn(&str) -> bool) -> Option<Kind> {
    let name = action.to_lowercase();
    let contains = |part: &&str| name.contains(*part);
    // An action of the checkout itself is read where it stands.
    if name.starts_with("./") || OTHERS.iter().any(contains) {
        return None;
    }
    if name.ends_with("/build-push-action") || (has("tags") && has("push")) {
        return Some(Kind::LikeDockers);
    }
    let has_place = PLACES.iter().any(|key| has(key));
    let builds = ["kaniko", "buildah", "build-push"].iter().any(contains)
        || (contains(&"docker") && (contains(&"build") || contains(&"publish")))
        || (has_place && BUILDERS.iter().any(contains))
        // Cloud Run builds what stands in this folder.
        || (contains(&"deploy-cloudrun") && has("source"));
    if builds {
        return Some(Kind::Builder);
    }
    has_place.then_some(Kind::Perhaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, Dockerfile, target.
    fn seen(text: &str) -> Vec<(u64, Named, Target)> {
        let steps = steps(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        steps.into_iter().map(|step| (step.line, step.build.dockerfile, step.build.target)).collect()
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
        let frontend = || Named::at(&["frontend", "Dockerfile"]);
        assert_eq!(
            seen(text),
            [
                (9, Named::at(&["backend/Dockerfile"]), named("prod")),
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
    - run: docker build .
";
        assert_eq!(seen(text), [(3, Named::Unknown, Target::Varies)]);
        assert!(steps("jobs: [\n").is_err());
        assert_eq!(seen("- a list\n"), []);
    }

    #[test]
    fn an_action_builds_by_its_name_and_its_inputs() {
        for (action, inputs, expected) in [
            ("docker/build-push-action", "", Some(Kind::LikeDockers)),
            ("depot/build-push-action", "context", Some(Kind::LikeDockers)),
            ("someone/image", "tags push", Some(Kind::LikeDockers)),
            ("someone/docker-build-push", "directory", Some(Kind::Builder)),
            ("someone/action-kaniko", "path", Some(Kind::Builder)),
            ("redhat-actions/buildah-build", "", Some(Kind::Builder)),
            ("someone/container-action", "dockerfile", Some(Kind::Builder)),
            ("google-github-actions/deploy-cloudrun", "source", Some(Kind::Builder)),
            ("org/x/.github/workflows/docker-build.yml", "target", Some(Kind::Builder)),
            ("someone/else", "file", Some(Kind::Perhaps)),
            ("someone/else", "target", None),
            ("someone/deploy-action", "target tags", None),
            ("someone/upload-action", "target file", None),
            ("google-github-actions/deploy-cloudrun", "image", None),
            ("gradle/gradle-build-action", "arguments", None),
            ("docker/login-action", "registry", None),
            ("docker/metadata-action", "context tags", None),
            ("docker/setup-buildx-action", "", None),
            ("hadolint/hadolint-action", "dockerfile", None),
            ("./.github/actions/docker-build", "context", None),
        ] {
            let has = |key: &str| inputs.split(' ').any(|input| input == key);
            assert_eq!(kind(action, has), expected, "{action}: {inputs}");
        }
    }

    #[test]
    fn a_job_that_uses_a_workflow_and_inputs_in_capitals() {
        let text = "\
jobs:
  a:
    uses: org/x/.github/workflows/docker-build.yml@v1
    with: { context: ., Target: prod }
  b:
    uses: ./.github/workflows/docker-build.yml
    with: { context: . }
";
        assert_eq!(seen(text), [(3, Named::at(&["Dockerfile"]), Target::of("prod"))]);
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
        let [dockerfile, stage, image] = ["backend/Dockerfile", "prod", "quill/backend"].map(str::to_owned);
        let served = [Served { dockerfile, stage, image }];
        let dockerfile = Dockerfile::read("backend/Dockerfile", "FROM x AS prod\nFROM x AS admin\n", &served)
            .expect("read");
        let meant = |text: &str| steps(text).expect("read")[0].meant(&dockerfile, &served);
        assert_eq!(meant(text).as_deref(), Some("admin"));
        assert_eq!(meant(&text.replace("quill/admin", "quill/backend")).as_deref(), Some("prod"));
    }
}
