//! `cargo xtask test`: runs every layer of tests, and reports each as passed, failed or skipped.
//!
//! To add a layer: its entry in [`layers`]. A layer that needs something which may be missing is skipped by its tests
//! themselves (`skip.rs` of the crate `testkit`). To run a kind of work that is no cargo command: a variant of
//! [`Step`], and its arm in [`run`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Seek as _};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use quill_admin_testkit::postgres::{SHARED, Server, StartError};
use quill_admin_testkit::{bin, skip};
use serde_json::Value;

use crate::harness::Results;
use crate::{docs, run, terraform};

/// The part of the names of tests that run in containers of an image, which they compile first. Beside the other tests
/// that was slower than one after the other, by minutes on two cores: they are a layer of their own.
const IN_CONTAINERS: &str = "in_a_container";

/// The package of tests that run whole programs. They mostly wait, for containers, logs and answers, so that
/// more of them run at once than there are cores.
const END_TO_END: &str = "quill-admin-e2e";

/// The chapter of end-to-end tests that looks at the clock: at how often the cloud is asked. It runs before the
/// others, which keep the machine busy.
const BY_THE_CLOCK: &str = "following::";

/// The package whose tests wait for the database, most of the time.
const EXECUTOR: &str = "quill-admin-executor";

/// The test of [`END_TO_END`] that runs a thousand tasks. It keeps the machine busy, which tests that look at the
/// clock do not bear, and its tasks give up when the machine is kept busy by others: it is a layer of its own, at the
/// end.
const STORM_TEST: &str = "hostile";

#[derive(Args)]
pub(crate) struct Options {
    /// Run these layers only, such as clippy or e2e
    #[arg(long, value_name = "NAME")]
    layer: Vec<String>,
    /// What may not be missing (postgres, docker, … or all): tests that need it fail instead of
    /// being skipped. With CI=true this is all
    #[arg(long, value_name = "NEED", value_delimiter = ',')]
    require: Vec<String>,
    /// Run the whole storm of a thousand tasks (the layer storm) from the same seed as ever, as CI does, and all
    /// cases of previews and of undoing, of which CI takes a quarter; otherwise a tenth of each runs, from a seed
    /// that is said
    #[arg(long)]
    full: bool,
}

/// Number of cases of previews and of undoing in CI: a quarter of the whole, which takes minutes.
const CI_CASES: usize = 250;

/// Number of runs of the storm without `--full`: a tenth of the whole, which takes minutes.
const SMALL_STORM: usize = 100;
/// The variable that names the executor which `tests/carrying` contains.
const CARRIED: &str = "QUILL_ADMIN_TEST_EXECUTOR";
/// The target of the image, for which the executor is built here, too, on a machine of that kind.
const IMAGE_TARGET: &str = "x86_64-unknown-linux-gnu";
/// The variables that `tests/tests/hostile` and the executor's tests of previews read.
const STORM: &str = "QUILL_ADMIN_TEST_STORM";
const CASES: &str = "QUILL_ADMIN_TEST_CASES";
const SEED: &str = "QUILL_ADMIN_TEST_SEED";

/// The layers without which no later one means anything: the programs.
const PROGRAMS: [&str; 3] = ["static executor", "build", LINTED];

/// The layer that lints and builds at once.
const LINTED: &str = "clippy and build";

/// The variables with which a cargo command that builds lints, too: this workspace's crates are compiled by Clippy's
/// driver, which is the compiler with lints. `cargo clippy` would check all dependencies apart from building them,
/// which takes minutes. What is shipped is another profile, and compiled by the compiler itself.
const LINTING: [(&str, &str); 2] =
    [("RUSTC_WORKSPACE_WRAPPER", "clippy-driver"), ("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__")];

impl Options {
    /// Whether everything is run. Then lints are part of the build; otherwise somebody wants one thing quickly.
    fn whole(&self) -> bool {
        self.layer.is_empty()
    }

    fn wants(&self, layer: &str) -> bool {
        let needs_programs =
            |name: &String| !["fmt", "clippy", "clippy without local", "terraform"].contains(&name.as_str());
        self.whole()
            || self.layer.iter().any(|name| name == layer)
            // Results of programs that are out of date mean nothing.
            || (PROGRAMS.contains(&layer) && self.layer.iter().any(needs_programs))
    }
}

/// The work of a layer.
enum Step {
    /// A cargo command.
    Cargo(Vec<String>),
    /// The executor in the form of the image, for the program that carries one.
    StaticExecutor,
    /// A check that the pages of docs/reference match the code.
    Docs,
    /// Terraform's own checks of `infra/`, beside the layers after it.
    Terraform,
}

struct Layer {
    name: String,
    step: Step,
}

struct Report {
    layer: String,
    ok: bool,
    results: Results,
    took: Duration,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let of_ci = ci.then(|| "all".to_owned());
    let require = options.require.iter().cloned().chain(of_ci).collect::<Vec<_>>().join(",");
    let scratch = tempfile::tempdir().context("failed to make a temporary folder")?;
    let skips = scratch.path().join("skips");

    let layers = layers(options.whole())?;
    if let Some(unknown) = options.layer.iter().find(|name| layers.iter().all(|layer| layer.name != **name)) {
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        anyhow::bail!("there is no layer {unknown}; they are: {}", names.join(", "));
    }
    // There is one server for all test programs. Without it they report themselves what is missing.
    let postgres = match Server::start() {
        Ok(server) => Some(server),
        Err(StartError::NotInstalled) => None,
        Err(error) => return Err(error.into()),
    };
    let mut env = vec![
        (bin::BIN_DIR, run::bin_dir()?.into_os_string()),
        (skip::REQUIRE, require.into()),
        (skip::REPORT, skips.clone().into_os_string()),
        // A snapshot that differs is a failure, and writes no file.
        ("INSTA_UPDATE", "no".into()),
    ];
    if !options.full {
        env.push((CASES, if ci { CI_CASES } else { SMALL_STORM }.to_string().into()));
    }
    if !(ci || options.full) {
        env.push((STORM, SMALL_STORM.to_string().into()));
        if std::env::var_os(SEED).is_none() {
            let seed = fastrand::u32(..);
            println!("what goes wrong in the tests of a hostile world is drawn from {SEED}={seed}");
            env.push((SEED, seed.to_string().into()));
        }
    }
    if let Some(server) = &postgres {
        env.push((SHARED, server.access_file().into()));
    }
    if options.whole() {
        env.extend(LINTING.map(|(name, value)| (name, value.into())));
    }

    let (mut reports, mut beside) = (Vec::new(), Vec::new());
    for layer in layers {
        if !options.wants(&layer.name) {
            continue;
        }
        let started = Instant::now();
        if !matches!(layer.step, Step::Terraform) {
            println!("\n── {}", layer.name);
        }
        let (ok, results) = match &layer.step {
            Step::Cargo(args) => cargo(args, &env)?,
            Step::Terraform => {
                // Not the path of this process: building the workspace has replaced the file that it was started
                // from.
                let own = run::bin_dir()?.join(format!("xtask{}", std::env::consts::EXE_SUFFIX));
                let mut command = Command::new(own);
                command.arg("terraform");
                beside.push(Beside::start(layer.name, command, &env)?);
                continue;
            }
            Step::StaticExecutor => {
                let (built, executor) = static_executor()?;
                env.extend(executor.map(|executor| (CARRIED, executor)));
                (built, Results::default())
            }
            Step::Docs => match docs::run(true) {
                Ok(()) => (true, Results::default()),
                Err(error) => {
                    println!("{error:#}");
                    (false, Results::default())
                }
            },
        };
        let failed = !ok;
        reports.push(Report { layer: layer.name, ok, results, took: started.elapsed() });
        // Without programs no later layer means anything.
        if failed && matches!(reports.last(), Some(report) if PROGRAMS.contains(&report.layer.as_str())) {
            break;
        }
    }
    for beside in beside {
        reports.push(beside.end()?);
    }
    Ok(conclude(&reports, &skips, ci))
}

/// A layer that runs beside others. Its output is shown when it has ended.
struct Beside {
    layer: String,
    /// Waits for its end, and says how long that took.
    ended: JoinHandle<io::Result<(ExitStatus, Duration)>>,
    output: File,
}

impl Beside {
    fn start(layer: String, mut command: Command, env: &[(&str, OsString)]) -> anyhow::Result<Self> {
        let output = tempfile::tempfile().context("failed to make a temporary file")?;
        let started = Instant::now();
        let mut child = command
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .spawn()
            .with_context(|| format!("failed to start {command:?}"))?;
        let ended = thread::spawn(move || Ok((child.wait()?, started.elapsed())));
        Ok(Self { layer, ended, output })
    }

    fn end(mut self) -> anyhow::Result<Report> {
        let (status, took) = self.ended.join().expect("waiting does not panic")?;
        println!("\n── {}, which ran beside the others", self.layer);
        self.output.rewind()?;
        let results = Results::show(BufReader::new(self.output))?;
        Ok(Report { layer: self.layer, ok: status.success(), results, took })
    }
}

/// The layers, cheapest first. All cargo commands build the whole workspace with one set of
/// features, so that nothing is compiled twice.
fn layers(whole: bool) -> anyhow::Result<Vec<Layer>> {
    let step = |name: &str, args: &str| Layer { name: name.to_owned(), step: Step::Cargo(words(args)) };
    let executor = Layer { name: "static executor".to_owned(), step: Step::StaticExecutor };
    let build = "build --release --workspace --all-targets --locked";
    let mut layers = vec![step("fmt", "fmt --all --check")];
    if whole {
        layers.extend([
            executor,
            // Before the programs that tests use, which have the same names.
            step("clippy without local", &format!("{build} --no-default-features")),
            step(LINTED, build),
        ]);
    } else {
        let clippy = "clippy --release --workspace --all-targets --locked";
        layers.extend([
            step("clippy", &format!("{clippy} -- -D warnings")),
            step("clippy without local", &format!("{clippy} --no-default-features -- -D warnings")),
            executor,
            step("build", build),
        ]);
    }
    layers.extend([
        // A test program that fails does not hide others.
        step("unit", "test --release --workspace --lib --bins --locked --no-fail-fast"),
        step("doc", "test --release --workspace --doc --locked --no-fail-fast"),
    ]);
    let threads = |times| {
        format!("--test-threads={}", std::thread::available_parallelism().map_or(1, usize::from) * times)
    };
    let test = "test --release --workspace --locked --no-fail-fast";
    for (package, tests) in integration_tests()? {
        let name = layer_name(&package);
        let is_storm = |test: &&String| package == END_TO_END && *test == STORM_TEST;
        let tests: Vec<&str> =
            tests.iter().filter(|test| !is_storm(test)).flat_map(|test| ["--test", test.as_str()]).collect();
        let tests = format!("{test} {}", tests.join(" "));
        match package.as_str() {
            END_TO_END => layers.extend([
                step(
                    &format!("{name} by the clock"),
                    &format!("{test} --test e2e -- {} {BY_THE_CLOCK}", threads(4)),
                ),
                // Not before the layers in front of this one: some of their tests look at the clock.
                Layer { name: "terraform".to_owned(), step: Step::Terraform },
                step(
                    &name,
                    &format!("{tests} -- {} --skip {IN_CONTAINERS} --skip {BY_THE_CLOCK}", threads(6)),
                ),
                step(&format!("{name} in containers"), &format!("{test} --test e2e -- {IN_CONTAINERS}")),
            ]),
            EXECUTOR => layers.push(step(&name, &format!("{tests} -- {}", threads(4)))),
            _ => layers.push(step(&name, &tests)),
        }
    }
    layers.extend([
        Layer { name: "docs".to_owned(), step: Step::Docs },
        step("storm", &format!("{test} --test {STORM_TEST}")),
    ]);
    Ok(layers)
}

fn words(args: &str) -> Vec<String> {
    args.split(' ').map(str::to_owned).collect()
}

/// Builds the executor static, and returns its path. The flag is false if the build failed; a machine of
/// another kind builds nothing and has no path. It is built as in docker/Dockerfile, but with the quicker
/// profile: naming the target keeps the flag `crt-static` away from build scripts and macros.
fn static_executor() -> anyhow::Result<(bool, Option<OsString>)> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        println!("not on this machine: the image's executor is for {IMAGE_TARGET}");
        return Ok((true, None));
    }
    let status = run::cargo_command()
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "quill-admin-executor",
            "--target",
            IMAGE_TARGET,
        ])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        // This flag compiles everything once more: quickly, since no test depends on its speed.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .status()
        .context("failed to start cargo")?;
    let folder = run::bin_dir()?.parent().context("programs are in a target folder")?.join(IMAGE_TARGET);
    let executor = folder.join("release/quill-admin-executor").into_os_string();
    Ok((status.success(), status.success().then_some(executor)))
}

/// The tests in `tests/` folders, by package.
fn integration_tests() -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let output = run::cargo_command()
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .stderr(Stdio::inherit())
        .output()
        .context("failed to start cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?;
    let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let is_test =
                target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "test"));
            if let (true, Some(package), Some(test)) =
                (is_test, package["name"].as_str(), target["name"].as_str())
            {
                tests.entry(package.to_owned()).or_default().push(test.to_owned());
            }
        }
    }
    Ok(tests)
}

fn layer_name(package: &str) -> String {
    package.strip_prefix("quill-admin-").unwrap_or(package).to_owned()
}

/// Runs cargo, forwards its output and counts the tests.
fn cargo(args: &[String], env: &[(&str, OsString)]) -> anyhow::Result<(bool, Results)> {
    let mut child = run::cargo_command()
        .args(args)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start cargo")?;
    let results = Results::show(BufReader::new(child.stdout.take().context("no output")?))?;
    Ok((child.wait()?.success(), results))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.ok { "passed" } else { "FAILED" };
        write!(f, "{:<22} {verdict}  {:>6.1} s", self.layer, self.took.as_secs_f64())?;
        if self.results.passed + self.results.failed > 0 {
            write!(f, "  {} tests", self.results.passed + self.results.failed)?;
        }
        Ok(())
    }
}

fn conclude(reports: &[Report], skips: &Path, ci: bool) -> ExitCode {
    for failure in reports.iter().flat_map(|report| &report.results.failures) {
        // Once more, since it was said thousands of lines ago.
        println!("\n── why {} failed\n{}", failure.test, failure.lines.join("\n").trim_end());
    }
    println!("\n── result");
    for report in reports {
        println!("{report}");
    }
    // If there is no file, nothing was skipped.
    let skipped: Vec<Value> = std::fs::read_to_string(skips)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    for skip in &skipped {
        println!(
            "SKIPPED {}: {}: {}",
            skip["test"].as_str().unwrap_or_default(),
            skip["need"].as_str().unwrap_or_default(),
            skip["reason"].as_str().unwrap_or_default()
        );
    }
    let passed: u32 = reports.iter().map(|report| report.results.passed).sum();
    let failed: u32 = reports.iter().map(|report| report.results.failed).sum();
    let ignored: u32 = reports.iter().map(|report| report.results.ignored).sum();
    let left_out = u32::try_from(skipped.len()).unwrap_or(u32::MAX) + ignored;
    // The harness counts a skipped test, which is left early, as passed.
    let passed = passed.saturating_sub(u32::try_from(skipped.len()).unwrap_or(0));
    let broken = reports.iter().any(|report| !report.ok);
    let excused = skipped.iter().filter(|skip| skip["need"] == terraform::NEED).count();
    let left_out_of_ci = ci && left_out > u32::try_from(excused).unwrap_or(0);
    if left_out_of_ci {
        println!("nothing may be skipped in CI but {}", terraform::NEED);
    }
    println!("\n{passed} passed, {failed} failed, {left_out} skipped");
    if broken || left_out_of_ci { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
