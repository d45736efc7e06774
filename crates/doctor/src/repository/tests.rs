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

fn served(dockerfile: &str) -> Served {
    let [dockerfile, stage, image] = [dockerfile, "prod", "quill/backend"].map(str::to_owned);
    Served { dockerfile, stage, image }
}

fn scan(root: &Path) -> Scan {
    super::scan(root, &[served("backend/Dockerfile")]).unwrap()
}

fn steps(scan: &Scan) -> Vec<String> {
    let place = |step: &WrongStep| {
        let WrongStep { file, line, action, dockerfile, target, meant, .. } = step;
        let target = target.as_ref().map(|target| format!(" {target}")).unwrap_or_default();
        format!("{file}:{line}: {action}{target} of {dockerfile}, meant: {}", meant.as_deref().unwrap_or("-"))
    };
    scan.wrong.iter().map(place).collect()
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
    assert_eq!((scan.workflows, scan.steps, scan.searched, scan.unread.len()), (1, 5, 2, 0));
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
fn a_dockerfile_that_nobody_read_is_left_to_people() {
    let good = "FROM x AS base\nFROM base AS prod\n";
    let step = |inputs: &str| {
        let step = format!("uses: docker/build-push-action@v6\n        with: {{ {inputs} }}");
        let workflow = format!("jobs:\n  a:\n    steps:\n      - {step}\n");
        let folder = checkout(&[
            ("backend/Dockerfile", good),
            ("docker/backend.df", RECIPE),
            (".github/workflows/a.yml", &workflow),
        ]);
        let scan = scan(folder.path());
        scan.mentions.iter().map(|mention| mention.text.clone()).collect::<Vec<_>>()
    };
    let shown = "- uses: docker/build-push-action@v6";
    for (inputs, unread) in [
        ("context: ., file: docker/backend.df", "docker/backend.df"),
        ("file: ./out/Dockerfile", "out/Dockerfile"),
        ("context: frontend", "frontend/Dockerfile"),
        ("context: 'https://github.com/a/b.git#main'", "https://github.com/a/b.git#main/Dockerfile"),
        (
            "context: 'https://github.com/${{ x }}.git', file: backend/Dockerfile",
            "https://github.com/${{ x }}.git/backend/Dockerfile",
        ),
        ("context: '{{defaultContext}}:docker', file: backend.df", "docker/backend.df"),
        ("context: ../other", "../other/Dockerfile"),
    ] {
        assert_eq!(step(inputs), [format!("{shown} ({unread} was not read)")], "{inputs}");
    }
    for inputs in [
        "context: backend",
        "context: '{{defaultContext}}', file: backend/Dockerfile",
        "context: '{{defaultContext}}:backend'",
        "file: docker/backend.df, target: prod",
        // It may be any of those that were read.
        "file: '${{ inputs.file }}'",
    ] {
        assert_eq!(step(inputs), [""; 0], "{inputs}");
    }
    let commands = "\
docker build -f docker/backend.df .
echo FROM x | docker build -
docker build https://github.com/a/b.git
docker build frontend
docker build .
docker build backend
docker build ../backend
cd backend && docker build -f Dockerfile ..
docker build -f $FILE .
docker build -f docker/backend.df --target prod .
docker compose build frontend
gcloud builds submit --config x.yaml .
";
    let folder = checkout(&[("backend/Dockerfile", good), ("build.sh", commands)]);
    assert_eq!(mentions(&scan(folder.path())), ["build.sh:1", "build.sh:2", "build.sh:3", "build.sh:4"]);
    // What stands behind a command is no Dockerfile.
    let commands = "\
docker build -t x . 2>&1 | tee log
x() { docker build -t x . }
{\"build\": \"docker build .\"}
docker build -t x \"${ARGS[@]}\"
docker build -t x \"$DIR\"/backend
docker build -f backend\\Dockerfile .
docker compose up --build --detach web
gcloud run deploy --source . quill-backend
skaffold build web
/kaniko/executor --dockerfile=/workspace/backend/Dockerfile
";
    let steps = "a:\n  - run: docker build -t x backend\n    shell: bash\n";
    let folder = checkout(&[("backend/Dockerfile", good), ("build.sh", commands), (".gitlab-ci.yml", steps)]);
    assert_eq!(mentions(&scan(folder.path())), [""; 0]);
    let services =
        "services:\n  a: { build: docker }\n  b: { build: { context: ., dockerfile: docker/backend.df } }\n";
    let folder =
        checkout(&[("docker/Dockerfile", good), ("compose.yaml", services), ("docker/backend.df", RECIPE)]);
    assert_eq!(mentions(&scan(folder.path())), ["compose.yaml:3"]);
}

#[test]
fn the_admin_image_under_the_backends_name() {
    let workflow = "\
jobs:
  a:
    steps:
      - uses: docker/metadata-action@v5
        id: meta
        with: { images: \"${{ env.R }}/quill/IMAGE\" }
      - uses: docker/build-push-action@v6
        with: { file: backend/Dockerfile, target: TARGET, tags: \"${{ env.R }}/quill/IMAGE:latest\" }
      - uses: docker/build-push-action@v6
        with: { file: backend/Dockerfile, target: TARGET, tags: \"${{ steps.meta.outputs.tags }}\" }
      - uses: someone/action-kaniko@v1
        with: { file: backend/Dockerfile, target: TARGET, tags: \"${{ env.R }}/quill/IMAGE:latest\" }
";
    let commands = "\
docker build --target TARGET -t $R/quill/IMAGE:latest backend
/kaniko/executor --dockerfile=backend/Dockerfile --target=TARGET --destination=$R/quill/IMAGE:latest
";
    let services =
        "services:\n  a:\n    image: quill/IMAGE\n    build: { context: backend, target: TARGET }\n";
    let files = |target: &str, image: &str| {
        let fill = |text: &str| text.replace("TARGET", target).replace("IMAGE", image);
        let folder = checkout(&[
            ("backend/Dockerfile", &format!("{RECIPE}FROM admin AS tools\n")),
            (".github/workflows/a.yml", &fill(workflow)),
            ("build.sh", &fill(commands)),
            ("compose.yaml", &fill(services)),
        ]);
        let scan = scan(folder.path());
        (steps(&scan), mentions(&scan))
    };
    for target in ["admin", "tools"] {
        let (steps, mentions) = files(target, "backend");
        let step = format!("docker/build-push-action {target} of backend/Dockerfile, meant: prod");
        assert_eq!(steps, [7, 9].map(|line| format!(".github/workflows/a.yml:{line}: {step}")));
        assert_eq!(mentions, [".github/workflows/a.yml:11", "build.sh:1", "build.sh:2", "compose.yaml:4"]);
    }
    for (target, image) in
        [("prod", "backend"), ("dev", "backend"), ("admin", "admin"), ("admin", "backend-admin")]
    {
        assert_eq!(files(target, image), (vec![], vec![]), "{target} {image}");
    }
}

#[test]
fn a_last_stage_that_is_known_only_when_it_is_built() {
    let workflow = "\
jobs:
  a:
    steps:
      - uses: docker/build-push-action@v6
        with: { context: backend }
";
    let recipe = "ARG LAST=prod\nFROM x AS prod\nFROM x AS dev\nFROM ${LAST} AS final\n";
    let folder = checkout(&[("backend/Dockerfile", recipe), (".github/workflows/a.yml", workflow)]);
    let scan = scan(folder.path());
    assert_eq!((steps(&scan), mentions(&scan)), (vec![], vec![".github/workflows/a.yml:4".to_owned()]));
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
fn compose_files_are_read() {
    let base =
        "services:\n  backend:\n    build: { context: ., dockerfile: backend/Dockerfile, target: prod }\n";
    let more =
        "services:\n  backend:\n    build: { context: ., dockerfile: backend/Dockerfile, args: { X: 1 } }\n";
    let commands = "up:\n    docker compose up --build\nother:\n    docker compose -f \"$F\" build\n";
    let mut files = vec![
        ("backend/Dockerfile", RECIPE),
        ("frontend/Dockerfile", "FROM nginx\n"),
        ("justfile", commands),
        ("compose.yaml", base),
        ("compose.override.yaml", more),
        ("docker/dev.yml", "services:\n  frontend:\n    build: ../frontend\n  root:\n    build: ..\n"),
        ("Dockerfile", "FROM nginx\n"),
    ];
    assert_eq!(mentions(&scan(checkout(&files).path())), [""; 0]);
    files.push(("compose.ci.yml", more));
    assert_eq!(mentions(&scan(checkout(&files).path())), ["compose.ci.yml:3"]);
    let of_a_variable = base.replace("target: prod", "target: $STAGE");
    let files = [files[0], ("compose.yaml", &of_a_variable), ("justfile", "up:\n    docker compose up\n")];
    assert_eq!(mentions(&scan(checkout(&files).path())), ["compose.yaml:3"]);
    let without = [files[0], ("justfile", commands)];
    assert_eq!(mentions(&scan(checkout(&without).path())), ["justfile:2", "justfile:4"]);
}

#[test]
fn combinations_that_are_excluded_give_no_alarm() {
    let workflow = "\
jobs:
  build:
    strategy:
      matrix:
        image: [backend, frontend]
        target: [\"\", prod]
        exclude:
          - { image: backend, target: \"\" }
    steps:
      - uses: docker/build-push-action@v6
        with: { context: \"${{ matrix.image }}\", target: \"${{ matrix.target }}\" }
";
    let files = |workflow: &str| {
        checkout(&[
            ("backend/Dockerfile", RECIPE),
            (".github/workflows/a.yml", workflow),
            ("frontend/Dockerfile", "FROM x\n"),
        ])
    };
    let excluded = scan(files(workflow).path());
    assert_eq!((steps(&excluded), mentions(&excluded), excluded.steps), (vec![], vec![], 3));
    let all = scan(files(&workflow.replace("backend, target: \"\"", "backend, target: other")).path());
    assert_eq!(steps(&all).len(), 1);
}

#[test]
fn actions_that_do_not_build_are_no_steps() {
    let workflow = "\
jobs:
  a:
    steps:
      - uses: someone/deploy@v1
        with: { target: production, context: nowhere }
      - uses: codecov/codecov-action@v5
        with: { file: coverage.xml }
";
    let folder = checkout(&[(".github/workflows/a.yml", workflow)]);
    assert!(scan(folder.path()).is_empty());
    let builds = "\
jobs:
  a:
    steps:
      - uses: someone/else@v1
        with: { file: backend/Dockerfile }
      - uses: someone/action-kaniko@v1
        with: { path: backend, target: \"${{ inputs.target }}\" }
      - uses: someone/action-kaniko@v1
        with: { path: backend, target: prod }
";
    let folder = checkout(&[("backend/Dockerfile", RECIPE), (".github/workflows/a.yml", builds)]);
    let scan = scan(folder.path());
    assert_eq!((scan.steps, steps(&scan)), (3, vec![]));
    assert_eq!(mentions(&scan), [".github/workflows/a.yml:4", ".github/workflows/a.yml:6"]);
}

#[test]
fn ignore_rules_count_from_the_checkouts_own_root() {
    let folder = checkout(&[
        (".gitignore", "*\n"),
        ("app/.gitignore", "out/\n"),
        ("app/.ignore", "build.sh\nbackend\n"),
        ("app/backend/Dockerfile", RECIPE),
        ("app/build.sh", "docker build backend\n"),
        ("app/out/build.sh", "docker build ..\n"),
        ("app/node_modules/x/build.sh", "docker build ../..\n"),
        ("app/.git/hooks/pre-commit.sh", "docker build .\n"),
    ]);
    let app = folder.path().join("app");
    let found = scan(&app);
    assert_eq!((found.dockerfiles.len(), mentions(&found)), (1, vec!["build.sh:1".to_owned()]));
}

#[test]
fn a_text_that_is_too_large_is_not_dropped() {
    let folder = checkout(&[
        ("Dockerfile", RECIPE),
        ("long.sh", &("#\n".repeat(1 << 20) + "docker build .\n")),
        ("larger.sh", &"#\n".repeat(9 << 20)),
        ("larger.txt", &"#\n".repeat(9 << 20)),
        ("picture.png", &"\0\n".repeat(9 << 20)),
    ]);
    fs::write(folder.path().join("windows.ps1"), b"\xff\xfed\0o\0").unwrap();
    let scan = scan(folder.path());
    assert_eq!(mentions(&scan), ["long.sh:1048577"]);
    let files: Vec<&str> = scan.unread.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(files, ["larger.sh", "windows.ps1"]);
}

#[test]
fn a_dockerfile_that_the_environments_file_names_may_have_any_name() {
    let folder = checkout(&[(".gitignore", "recipe.txt\n"), ("recipe.txt", RECIPE)]);
    let scan = super::scan(folder.path(), &[served("recipe.txt")]).unwrap();
    assert_eq!(scan.dockerfiles[0].provides, Provides::AdminImage);
}

#[test]
fn what_cannot_be_read_is_said_and_nothing_is_nothing() {
    let folder =
        checkout(&[(".github/workflows/broken.yml", "jobs: [\n"), ("Dockerfile", "this is no recipe\n")]);
    let broken = scan(folder.path());
    assert!(broken.lacks_dockerfiles);
    let files: Vec<&str> = broken.unread.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(files, ["Dockerfile", ".github/workflows/broken.yml"]);
    assert!(!broken.is_empty());
    assert!(scan(checkout(&[("README.md", "docker build .")]).path()).is_empty());
    assert!(super::scan(&folder.path().join("nowhere"), &[]).is_err());
}
