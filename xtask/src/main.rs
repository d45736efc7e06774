//! The verbs of developers: `cargo xtask test`, `cargo xtask docs` and `cargo xtask bench`, each in its file.
//! `run.rs` starts other programs, `harness.rs` reads what tests print; `terraform.rs` and `takeover.rs` are a layer of the tests.
//!
//! To add a verb: a variant of [`Verb`], its arm in [`main`], and its file here. To add a layer of the tests:
//! `test.rs`; a page of the reference: `docs.rs`; a measurement: `bench`.
#![expect(clippy::print_stdout, reason = "talking to the developer is what this program is for")]

mod bench;
mod docs;
mod harness;
mod run;
mod takeover;
mod terraform;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The developer's verbs")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Everything that has to hold before a change lands
    Test(test::Options),
    /// Terraform's own checks of `infra/`, which are a layer of test, too
    Terraform,
    /// Measures what is promised about speed and size
    Bench(bench::Options),
    /// Runs a program over and over and prints what it used, for bench: a process as small as this
    /// can be, because what a child has used includes its parent's memory at the start
    #[command(hide = true)]
    Measure(bench::Program),
    /// Writes the reference from the contract and the CLI, and the guide's transcripts and pictures from
    /// what the commands show
    Docs {
        /// Write nothing; fail when something is stale
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().verb {
        Verb::Test(options) => test::run(&options),
        Verb::Terraform => terraform::layer(),
        Verb::Bench(options) => bench::run(&options),
        Verb::Measure(program) => bench::measure(&program),
        Verb::Docs { check } => {
            run::cargo(["build", "--release", "--workspace", "--bins", "--locked"])?;
            docs::run(check)?;
            docs::transcripts(check)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
