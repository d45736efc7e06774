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

fn places(scan: &Scan) -> Vec<String> {
    let place = |careless: &Careless| {
        let dockerfile = careless.dockerfile.as_deref().unwrap_or("?");
        format!("{}:{}: {} ({dockerfile})", careless.file, careless.line, careless.what)
    };
    scan.careless.iter().map(place).collect()
}

#[test]
fn steps_that_get_the_admin_image() {
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
  bad:
    steps:
      - uses: docker/build-push-action@v6
        with: { context: ., file: ./backend/Dockerfile }
      - run: |
          docker build -t x backend
",
        ),
        (
            "justfile",
            "build:\n    docker build -f backend/Dockerfile .\nadmin:\n    docker build --target admin backend\n",
        ),
        ("compose.yaml", "services:\n  backend:\n    build: backend\n  frontend:\n    build: frontend\n"),
        (
            "scripts/build.sh",
            "cd \"$(dirname \"$0\")/..\"\ndocker build -f backend/Dockerfile .\ndocker build -f \"$1\" .\n",
        ),
        ("backend/build", "#!/usr/bin/env bash\ndocker build .\n"),
        ("README.md", "docker build backend\n"),
    ]);
    let scan = scan(folder.path(), &["prod"]).unwrap();
    assert_eq!(
        places(&scan),
        [
            ".github/workflows/deploy.yml:10: docker/build-push-action without \"target\" (backend/Dockerfile)",
            ".github/workflows/deploy.yml:13: docker build without --target (backend/Dockerfile)",
            "backend/build:2: docker build without --target (backend/Dockerfile)",
            "compose.yaml:3: \"build\" without \"target\" (backend/Dockerfile)",
            "justfile:2: docker build without --target (backend/Dockerfile)",
            "scripts/build.sh:2: docker build without --target (backend/Dockerfile)",
            "scripts/build.sh:3: docker build without --target (?)",
        ]
    );
    assert!(scan.careless.iter().all(|careless| careless.gives == Gives::TheAdminImage));
    assert_eq!((scan.builds, scan.unread.len()), (11, 0));
    let files: Vec<_> = scan.dockerfiles.iter().map(|file| (file.path.as_str(), file.gives)).collect();
    assert_eq!(files, [("backend/Dockerfile", Gives::TheAdminImage), ("frontend/Dockerfile", Gives::What)]);
    assert_eq!(scan.dockerfiles[0].stages.last().map(|stage| stage.line), Some(5));
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
    let scan = scan(folder.path(), &["prod"]).unwrap();
    assert_eq!(
        places(&scan),
        [
            ".github/workflows/deploy-staging-teaching.yml:7: docker/build-push-action without \"target\" (backend/Dockerfile)"
        ]
    );
}

#[test]
fn builds_that_give_what_they_are_to_give() {
    let careless = "docker build .\n";
    for recipe in [
        "FROM python:3.13-slim\n",
        "FROM python:3.13-slim AS prod\n",
        "FROM node AS build\nFROM nginx\nCOPY --from=build /dist /\n",
        "FROM base AS admin\nFROM base AS prod\n",
        // The admin image's own, and nothing else's.
        "FROM rust AS builder\nFROM scratch AS admin\nCOPY --from=builder /out /\n",
        "",
    ] {
        let folder = checkout(&[("Dockerfile", recipe), ("build.sh", careless)]);
        let scan = scan(folder.path(), &["prod"]).unwrap();
        assert_eq!((places(&scan), scan.builds), (Vec::new(), 1), "{recipe}");
        assert!(scan.dockerfiles.iter().all(|file| file.gives == Gives::What), "{recipe}");
    }
}

#[test]
fn stages_of_other_names() {
    let gives = |recipe: &str, backend: &[&str]| gives(&dockerfile::stages(recipe), backend);
    assert_eq!(gives("FROM prod AS admin\n", &["prod"]), Gives::What);
    assert_eq!(gives("FROM x AS prod\nFROM prod AS admin\n", &["prod"]), Gives::TheAdminImage);
    assert_eq!(gives("FROM x AS server\nFROM y AS admin-cli\n", &["prod"]), Gives::TheAdminImage);
    assert_eq!(gives("FROM x AS Prod\nFROM x\nRUN pytest\n", &["prod"]), Gives::AnotherStage);
    assert_eq!(gives("FROM x AS prod\nFROM x\nRUN pytest\n", &["server"]), Gives::What);
}

#[test]
fn ignored_and_foreign_files_are_not_looked_at() {
    let folder = checkout(&[
        (".gitignore", "out/\n"),
        ("Dockerfile", RECIPE),
        ("out/build.sh", "docker build ..\n"),
        ("node_modules/x/build.sh", "docker build ../..\n"),
        (".git/hooks/pre-commit.sh", "docker build .\n"),
        ("large.sh", &format!("docker build .\n{}", "#\n".repeat(1 << 20))),
    ]);
    assert_eq!(scan(folder.path(), &["prod"]).unwrap().builds, 0);
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = checkout(&[(".github/workflows/broken.yml", "jobs: [\n")]);
    let scan = scan(folder.path(), &["prod"]).unwrap();
    assert_eq!(scan.unread.len(), 1);
    assert_eq!(scan.unread[0].0, ".github/workflows/broken.yml");
    assert!(super::scan(&folder.path().join("nowhere"), &[]).is_err());
}

#[test]
fn this_repository_is_healthy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let scan = scan(&root, &["prod"]).unwrap();
    assert_eq!((places(&scan), &scan.unread), (Vec::new(), &Vec::new()));
    assert_eq!(scan.dockerfiles.len(), 1);
}
