use std::fs;

use tempfile::TempDir;

use super::*;

/// The application's recipe, as the guide describes it.
const RECIPE: &str = "\
FROM python:3.13-slim AS base
FROM base AS dev
FROM base AS prod
ENTRYPOINT [\"./entrypoint.sh\"]
FROM base AS admin
CMD [\"python\", \"scripts/admin_cli.py\"]
";

fn checkout(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn scan(root: &Path) -> Scan {
    let served = [Served { dockerfile: "backend/Dockerfile".to_owned(), stage: "prod".to_owned() }];
    super::scan(root, &served).unwrap()
}

fn steps(scan: &Scan) -> Vec<String> {
    let place = |step: &Untargeted| {
        format!("{}:{}: {} of {}, meant: {}", step.file, step.line, step.action, step.dockerfile, step.meant)
    };
    scan.untargeted.iter().map(place).collect()
}

fn mentions(scan: &Scan) -> Vec<String> {
    scan.mentions.iter().map(|mention| format!("{}:{}", mention.file, mention.line)).collect()
}

#[test]
fn workflows_are_read_and_everything_else_is_left_to_people() {
    let folder = checkout(&[
        ("backend/Dockerfile", RECIPE),
        ("frontend/Dockerfile", "FROM node AS build\nFROM nginx AS serve\nCOPY --from=build /dist /\n"),
        (
            ".github/workflows/deploy.yml",
            "\
jobs:
  good:
    steps:
      - uses: docker/build-push-action@v6
        with: { context: ., file: backend/Dockerfile, target: prod }
      - uses: docker/build-push-action@v6
        with: { context: frontend }
      - uses: docker/build-push-action@v6
        with: { file: backend/Dockerfile, tags: r.example/p/quill/admin:latest }
  bad:
    steps:
      - uses: depot/build-push-action@v1
        with: { context: ., file: ./backend/Dockerfile }
      - run: |
          docker build -t x backend
      - uses: docker/bake-action@v6
      - uses: docker/build-push-action@v6
        with: { file: \"${{ inputs.file }}\" }
",
        ),
        (
            "justfile",
            "build:\n    docker build -f backend/Dockerfile .\nadmin:\n    docker build --target admin backend\n",
        ),
        ("compose.yaml", "services:\n  backend:\n    build: { context: ., target: prod }\n"),
        ("compose.override.yaml", "services:\n  backend:\n    build: { args: { DEBUG: \"1\" } }\n"),
        ("scripts/build.sh", "docker build frontend/\ndocker build -f \"$1\" .\n"),
        ("README.md", "docker build backend\n"),
    ]);
    let scan = scan(folder.path());
    assert_eq!(
        steps(&scan),
        [".github/workflows/deploy.yml:12: depot/build-push-action of backend/Dockerfile, meant: prod"]
    );
    assert_eq!(
        mentions(&scan),
        [
            ".github/workflows/deploy.yml:15",
            ".github/workflows/deploy.yml:16",
            ".github/workflows/deploy.yml:17",
            "justfile:2",
            "scripts/build.sh:2",
        ]
    );
    assert_eq!((scan.workflows, scan.steps, scan.searched, scan.unread.len()), (1, 5, 4, 0));
    let files: Vec<_> = scan.dockerfiles.iter().map(|file| (file.path.as_str(), file.provides)).collect();
    assert_eq!(
        files,
        [("backend/Dockerfile", Provides::AdminImage), ("frontend/Dockerfile", Provides::Wanted)]
    );
}

#[test]
fn a_matrix_entry_without_a_stage() {
    let folder = checkout(&[
        ("backend/Dockerfile", RECIPE),
        (
            ".github/workflows/deploy-staging-teaching.yml",
            "\
jobs:
  build:
    strategy:
      matrix:
        include:
          - { image: backend, target: prod }
          - { image: backend }
    steps:
      - uses: docker/build-push-action@v6
        with:
          context: ${{ matrix.image }}
          target: ${{ matrix.target }}
",
        ),
    ]);
    assert_eq!(
        steps(&scan(folder.path())),
        [
            ".github/workflows/deploy-staging-teaching.yml:7: docker/build-push-action of backend/Dockerfile, meant: prod"
        ]
    );
}

#[test]
fn where_the_last_stage_is_the_one_that_is_served_nothing_can_go_wrong() {
    for recipe in [
        "FROM python:3.13-slim AS prod\n",
        "FROM base AS admin\nCMD [\"admin_cli.py\"]\nFROM base AS prod\nRUN rm -f scripts/admin_cli.py\n",
    ] {
        let folder = checkout(&[("backend/Dockerfile", recipe), ("build.sh", "docker build .\n")]);
        let scan = scan(folder.path());
        assert_eq!((mentions(&scan), scan.searched), (Vec::new(), 1), "{recipe}");
    }
}

#[test]
fn ignore_rules_count_from_the_checkouts_own_root() {
    let folder = checkout(&[
        (".gitignore", "*\n"),
        ("app/.gitignore", "out/\n"),
        ("app/backend/Dockerfile", RECIPE),
        ("app/build.sh", "docker build backend\n"),
        ("app/out/build.sh", "docker build ..\n"),
        ("app/node_modules/x/build.sh", "docker build ../..\n"),
        ("app/.git/hooks/pre-commit.sh", "docker build .\n"),
        ("app/large.sh", &format!("docker build .\n{}", "#\n".repeat(1 << 20))),
    ]);
    let scan = scan(&folder.path().join("app"));
    assert_eq!((scan.dockerfiles.len(), mentions(&scan)), (1, vec!["build.sh:1".to_owned()]));
}

#[test]
fn what_cannot_be_read_is_said_and_nothing_is_nothing() {
    let folder =
        checkout(&[(".github/workflows/broken.yml", "jobs: [\n"), ("Dockerfile", "this is no recipe\n")]);
    let broken = scan(folder.path());
    let files: Vec<&str> = broken.unread.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(files, ["Dockerfile", ".github/workflows/broken.yml"]);
    assert!(!broken.is_empty());
    assert!(scan(checkout(&[("README.md", "docker build .")]).path()).is_empty());
    assert!(super::scan(&folder.path().join("nowhere"), &[]).is_err());
}
