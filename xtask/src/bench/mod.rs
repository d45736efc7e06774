//! `cargo xtask bench`: measures the promises about speed and size.
//!
//! To add a measurement: a `Subject`, and its function in the file of what is measured.
//!
//! The numbers are medians of several runs on this machine in its present state: they mean something on a
//! machine that does nothing else.

mod alone;
mod doctor;
mod emulator;
mod executor;
mod finding;
mod history;
mod image;
mod log;
mod programs;
mod rebuild;
mod resources;
mod sample;
mod slow_registry;
mod sources;
mod task;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use finding::Finding;
pub(crate) use resources::{Program, measure};

use crate::run;

#[derive(Args)]
pub(crate) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Measure these only
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Subject>,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// `quill-admin --help`
    Help,
    /// The executor: its size, its time and its memory
    Executor,
    /// `create-superadmin --env local`, from Enter to prompt
    Local,
    /// What the CLI adds to what the cloud takes
    Overhead,
    /// A whole run of a task that takes no time: time, CPU, memory, requests, connections
    Run,
    /// From the last answer to the request that starts the task, and to the exit of the program, at once and
    /// with requests that take 100 ms
    Answer,
    /// From an execution's end to the exit of the program, at once and with requests that take 100 ms
    End,
    /// From a log entry that can be read to its line on the terminal
    Log,
    /// `quill-admin history`: the newest 50 of 10,000 records
    History,
    /// `quill-admin doctor`: all checks of one environment, each request taking 100 ms
    Doctor,
    /// `quill-admin build`: when nothing has changed, after an edit, and its memory
    Image,
    /// Building after an edit
    Rebuild,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let wanted = |subject| options.only.is_empty() || options.only.contains(&subject);
    run::cargo(["build", "--release", "--workspace", "--bins", "--locked"])?;
    let mut findings = Vec::new();
    if wanted(Subject::Help) {
        findings.push(alone::help()?);
    }
    if wanted(Subject::Executor) {
        findings.extend(executor::executor()?);
    }
    if wanted(Subject::Local) {
        findings.push(alone::local()?);
    }
    if wanted(Subject::Overhead) {
        findings.push(task::overhead()?);
    }
    if wanted(Subject::Run) {
        findings.extend(task::whole_run()?);
    }
    if wanted(Subject::Answer) {
        findings.extend(task::answer()?);
    }
    if wanted(Subject::End) {
        findings.extend(task::end()?);
    }
    if wanted(Subject::Log) {
        findings.extend(log::log()?);
    }
    if wanted(Subject::History) {
        findings.extend(history::history()?);
    }
    if wanted(Subject::Doctor) {
        findings.extend(doctor::doctor()?);
    }
    if wanted(Subject::Image) {
        findings.extend(image::image()?);
    }
    // This is last, because it leaves programs of a copy of the sources in the build folder.
    if wanted(Subject::Rebuild) {
        findings.extend(rebuild::rebuild()?);
    }
    finding::print(&findings, options.json)?;
    Ok(if findings.iter().all(Finding::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
