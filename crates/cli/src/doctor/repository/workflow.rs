//! Steps that build an image, in YAML: GitHub's workflows and actions, Cloud Build, Compose.

use super::build::{Build, How, joined};
use super::shell;
use super::yaml::{Node, Value};

/// More rows of a matrix than anybody has; what is beyond is not looked at.
const ROWS: usize = 256;

/// The builds in a workflow, or in an action of one's own.
pub(super) fn github(text: &str) -> Result<Vec<Build>, String> {
    let file = Node::read(text)?;
    let mut found = Vec::new();
    for (_, job) in file.get("jobs").map(Node::entries).unwrap_or_default() {
        let folder = [Some(job), Some(&file)].into_iter().flatten().find_map(working_directory);
        let rows = job.get("strategy").and_then(|strategy| strategy.get("matrix")).map_or_else(none, rows);
        for step in job.get("steps").map(Node::items).unwrap_or_default() {
            found.extend(rows.iter().flat_map(|row| builds(step, row, folder.unwrap_or_default())));
        }
    }
    for step in file.get("runs").and_then(|runs| runs.get("steps")).map(Node::items).unwrap_or_default() {
        found.extend(builds(step, &Row::default(), ""));
    }
    Ok(found)
}

/// Whether a text comes from the entries of a matrix.
fn of_matrix(text: &str) -> bool {
    text.contains("matrix.")
}

fn working_directory(node: &Node) -> Option<&str> {
    node.get("defaults")?.get("run")?.text("working-directory")
}

fn builds(step: &Node, row: &Row, folder: &str) -> Vec<Build> {
    let folder = joined("", &row.fill(step.text("working-directory").unwrap_or(folder)));
    if let Some(run) = step.get("run") {
        let script = run.as_text().unwrap_or_default();
        let written = shell::script(script, &folder);
        let mut builds = shell::script(&row.fill(script), &folder);
        for (build, written) in builds.iter_mut().zip(written) {
            // A scalar's line is that of its text, also where a "|" stands before it.
            build.line += run.line - 1;
            build.entry = row.line.filter(|_| written.target.is_some_and(|text| of_matrix(&text)));
        }
        return builds;
    }
    let Some(uses) = step.get("uses") else { return Vec::new() };
    let action = uses.as_text().unwrap_or_default().split('@').next().unwrap_or_default();
    let with = |key: &str| {
        let given = step.get("with").and_then(|with| with.text(key)).map(|text| row.fill(text));
        given.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let target = step.get("with").and_then(|with| with.text("target")).unwrap_or_default();
    let entry = row.line.filter(|_| of_matrix(target));
    let context = || with("context").map(|text| text.replace("{{defaultContext}}:", ""));
    let build = |how, context, file, target| {
        vec![Build { line: uses.line, entry, how, folder: String::new(), context, file, target }]
    };
    match action {
        "docker/build-push-action" => build(How::Action, context(), with("file"), with("target")),
        "google-github-actions/deploy-cloudrun" => match with("source") {
            Some(source) => build(How::Gcloud, Some(source), None, None),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// One row of a matrix: what `matrix.…` is in one run of the job.
#[derive(Debug, Clone, Default)]
struct Row {
    /// The line of its entry in the file.
    line: Option<u64>,
    /// `None` where that is only known when it runs.
    values: Option<Vec<(String, Node)>>,
}

fn none() -> Vec<Row> {
    vec![Row::default()]
}

/// The rows of a matrix, as GitHub makes them: all combinations of its lists, and `include`.
fn rows(matrix: &Node) -> Vec<Row> {
    if matrix.entries().is_empty() {
        return none();
    }
    let mut rows = vec![Row { line: Some(matrix.line), values: Some(Vec::new()) }];
    let lists = matrix.entries().iter().filter(|(key, _)| key != "include" && key != "exclude");
    let mut combined = false;
    for (key, list) in lists {
        if !matches!(list.value, Value::List(_)) {
            return none();
        }
        combined = true;
        rows = rows
            .iter()
            .flat_map(|row| {
                list.items().iter().map(|item| {
                    let mut values = row.values.clone().unwrap_or_default();
                    values.push((key.clone(), item.clone()));
                    Row { line: Some(item.line), values: Some(values) }
                })
            })
            .take(ROWS)
            .collect();
    }
    if !combined {
        rows.clear();
    }
    let own = rows.len();
    let include = matrix.get("include");
    if include.is_some_and(|include| !matches!(include.value, Value::List(_))) {
        return none();
    }
    for entry in include.map(Node::items).unwrap_or_default() {
        // It goes into every combination that it does not contradict; if there is none, it is a row.
        let fits = |row: &Row| {
            row.values.iter().flatten().all(|(key, value)| {
                entry
                    .get(key)
                    .is_none_or(|other| other.as_text().is_some() && other.as_text() == value.as_text())
            })
        };
        let mut used = false;
        for row in rows[..own].iter_mut().filter(|row| fits(row)) {
            used = true;
            row.values.get_or_insert_default().extend(entry.entries().iter().cloned());
        }
        if !used {
            rows.push(Row { line: Some(entry.line), values: Some(entry.entries().to_vec()) });
        }
    }
    if rows.is_empty() { none() } else { rows }
}

impl Row {
    /// The text with every `${{ matrix.… }}` replaced by its value; other expressions stay.
    fn fill(&self, text: &str) -> String {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${{") {
            let Some((expression, after)) = after.split_once("}}") else { break };
            filled.push_str(before);
            match self.value(expression.trim()) {
                Some(value) => filled.push_str(&value),
                None => filled = format!("{filled}${{{{{expression}}}}}"),
            }
            rest = after;
        }
        filled + rest
    }

    /// `matrix.a.b`, or `matrix.a || 'b'`. What a row does not have is empty.
    fn value(&self, expression: &str) -> Option<String> {
        let values = self.values.as_ref()?;
        if let Some((first, second)) = expression.split_once("||") {
            let first = self.value(first.trim())?;
            return if first.is_empty() { self.value(second.trim()) } else { Some(first) };
        }
        if let Some(text) = expression.strip_prefix('\'') {
            return Some(text.strip_suffix('\'')?.to_owned());
        }
        let mut path = expression.strip_prefix("matrix.")?.split('.');
        let first = path.next()?;
        if !expression.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            return None;
        }
        // Later entries are those of include.
        let found = values.iter().rev().find(|(key, _)| key == first).map(|(_, value)| value);
        let found = found.and_then(|found| path.try_fold(found, |node, key| node.get(key)));
        Some(found.and_then(Node::as_text).unwrap_or_default().to_owned())
    }
}

/// The builds in a configuration of Cloud Build.
pub(super) fn cloud_build(text: &str) -> Result<Vec<Build>, String> {
    let file = Node::read(text)?;
    let mut found = Vec::new();
    for step in file.get("steps").map(Node::items).unwrap_or_default() {
        let folder = step.text("dir").unwrap_or_default();
        let args: Vec<&Node> = step.get("args").map(Node::items).unwrap_or_default().iter().collect();
        let program = step.text("entrypoint").or_else(|| step.text("name")).unwrap_or_default();
        let program =
            program.rsplit('/').next().unwrap_or_default().split([':', '@']).next().unwrap_or_default();
        if let Some(script) = step.get("script") {
            found.extend(at(script, folder));
        } else if matches!(program, "bash" | "sh") {
            found.extend(args.iter().flat_map(|arg| at(arg, folder)));
        } else {
            let words = [program].into_iter().chain(args.iter().filter_map(|arg| arg.as_text()));
            let words: Vec<String> = words.map(str::to_owned).collect();
            found.extend(shell::words(&words, step.line, folder));
        }
    }
    Ok(found)
}

fn at(script: &Node, folder: &str) -> Vec<Build> {
    let mut builds = shell::script(script.as_text().unwrap_or_default(), folder);
    for build in &mut builds {
        build.line += script.line - 1;
    }
    builds
}

/// The builds of a Compose file in this folder.
pub(super) fn compose(text: &str, folder: &str) -> Result<Vec<Build>, String> {
    let file = Node::read(text)?;
    let services = file.get("services").map(Node::entries).unwrap_or_default();
    let builds = services.iter().filter_map(|(_, service)| {
        let build = service.get("build")?;
        let own = |key: &str| build.text(key).map(str::to_owned).filter(|text| !text.is_empty());
        if own("dockerfile_inline").is_some() {
            return None;
        }
        let context = build.as_text().map(str::to_owned).or_else(|| own("context"));
        // Its Dockerfile is looked for in the context, unlike docker build's.
        let context = joined(folder, context.as_deref().unwrap_or("."));
        Some(Build {
            line: build.line,
            entry: None,
            how: How::Compose,
            file: own("dockerfile"),
            target: own("target"),
            context: Some(".".to_owned()),
            folder: context,
        })
    });
    Ok(builds.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, the line of the matrix entry, file, target.
    type Seen<'a> = (u64, Option<u64>, Option<&'a str>, Option<&'a str>);

    fn seen(builds: &[Build]) -> Vec<Seen<'_>> {
        builds
            .iter()
            .map(|build| (build.line, build.entry, build.file.as_deref(), build.target.as_deref()))
            .collect()
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
          - image: worker
            dockerfile: backend/Dockerfile
          - image: frontend
            dockerfile: frontend/Dockerfile
            target: ''
    steps:
      - uses: actions/checkout@v4
      - name: Build and push
        uses: docker/build-push-action@v6
        with:
          context: .
          file: ${{ matrix.dockerfile }}
          target: ${{ matrix.target }}
          push: true
          tags: ${{ env.REGISTRY }}/${{ matrix.image }}:main
";
        assert_eq!(
            seen(&github(text).unwrap()),
            [
                (20, Some(9), Some("backend/Dockerfile"), Some("prod")),
                (20, Some(12), Some("backend/Dockerfile"), None),
                (20, Some(14), Some("frontend/Dockerfile"), None),
            ]
        );
        let fallback = text.replace("matrix.target }}", "matrix.target || 'prod' }}");
        assert!(github(&fallback).unwrap().iter().all(|build| build.target.as_deref() == Some("prod")));
        let missing: String = text
            .lines()
            .filter(|line| !line.contains("target: $"))
            .map(|line| line.to_owned() + "\n")
            .collect();
        assert!(github(&missing).unwrap().iter().all(|build| (build.line, build.entry) == (20, None)));
        let unknown = text.replace("matrix.target }}", "inputs.target }}");
        assert!(github(&unknown).unwrap().iter().all(|build| build.target.is_some()));
    }

    #[test]
    fn lists_of_a_matrix_are_combined() {
        let text = "\
jobs:
  build:
    strategy:
      matrix:
        env: [staging, teaching]
        part: [{ name: backend, target: prod }, { name: frontend }]
        include:
          - env: staging
            tag: main
    steps:
      - run: docker build --target=${{ matrix.part.target }} -f ${{ matrix.part.name }}/Dockerfile -t x:${{ matrix.tag }} .
";
        let builds = github(text).unwrap();
        let targets: Vec<_> =
            builds.iter().map(|build| (build.file.as_deref(), build.target.as_deref())).collect();
        let (backend, frontend) =
            ((Some("backend/Dockerfile"), Some("prod")), (Some("frontend/Dockerfile"), Some("")));
        assert_eq!(targets, [backend, frontend, backend, frontend]);
        let dynamic = "jobs: {a: {strategy: {matrix: '${{ fromJSON(x) }}'}, steps: [{run: 'docker build --target=${{ matrix.t }} .'}]}}";
        assert_eq!(seen(&github(dynamic).unwrap()), [(1, None, None, Some("${{matrix.t}}"))]);
    }

    #[test]
    fn lines_of_commands() {
        let text = "\
defaults: { run: { working-directory: backend } }
jobs:
  deploy:
    steps:
      - name: Build
        run: | # in a block
          echo building
          docker build \\
            -t x .
      - run: docker build .
        working-directory: ./frontend
      - run: >
          docker build
          --target prod .
      - uses: google-github-actions/deploy-cloudrun@v2
        with: { service: x, source: backend }
";
        let builds = github(text).unwrap();
        assert_eq!(
            seen(&builds),
            [
                (8, None, None, None),
                (10, None, None, None),
                (13, None, None, Some("prod")),
                (15, None, None, None)
            ]
        );
        let folders: Vec<&str> = builds.iter().map(|build| build.folder.as_str()).collect();
        assert_eq!(folders, ["backend", "frontend", "backend", ""]);
    }

    #[test]
    fn actions_of_one_s_own() {
        let text = "\
runs:
  using: composite
  steps:
    - uses: docker/build-push-action@v6
      with: { file: backend/Dockerfile }
";
        assert_eq!(seen(&github(text).unwrap()), [(4, None, Some("backend/Dockerfile"), None)]);
    }

    #[test]
    fn compose_files() {
        let text = "\
services:
  backend:
    build:
      context: ./backend
      target: dev
  worker:
    build: backend
  admin:
    build:
      context: ..
      dockerfile: backend/Dockerfile
  database:
    image: postgres
";
        let builds = compose(text, "deploy").unwrap();
        assert_eq!(
            seen(&builds),
            [
                (4, None, None, Some("dev")),
                (7, None, None, None),
                (10, None, Some("backend/Dockerfile"), None)
            ]
        );
        let folders: Vec<&str> = builds.iter().map(|build| build.folder.as_str()).collect();
        assert_eq!(folders, ["deploy/backend", "deploy/backend", ""]);
    }

    #[test]
    fn cloud_build_files() {
        let text = "\
steps:
  - name: gcr.io/cloud-builders/docker
    args: [build, -t, x, -f, backend/Dockerfile, .]
  - name: gcr.io/cloud-builders/docker
    entrypoint: bash
    args:
      - -c
      - |
        docker build --target prod backend
  - name: gcr.io/google.com/cloudsdktool/cloud-sdk
    args: [gcloud, run, deploy]
";
        assert_eq!(
            seen(&cloud_build(text).unwrap()),
            [(2, None, Some("backend/Dockerfile"), None), (9, None, None, Some("prod"))]
        );
    }

    #[test]
    fn what_is_not_yaml_is_said() {
        assert!(github("jobs: [").unwrap_err().contains("line"));
    }
}
