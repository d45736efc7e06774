//! The command line, as clap reads it, and nothing else.
//!
//! To add an option: its field in the struct of its command, whose doc comment is the text in the help, and
//! its use in the command's file in `commands/`; `cargo xtask docs` writes the reference.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, FromArgMatches as _, Subcommand, ValueEnum as _};
use quill_admin_contract::CONTRACT_VERSION;
use quill_admin_operations::error::CliError;
use quill_admin_operations::session;

use crate::help::{self, Detail};
use crate::task_command::{TaskCall, TaskCommand, TaskFlags};
use crate::wrap::WIDTH;

/// The description of the program, in one line.
const ABOUT: &str =
    "Runs one admin task against a Quill Medical database: exactly once, with its log, and on record";

/// The options that stand before a command. The help of the whole is written in `help/root.rs`.
#[derive(Debug, Args)]
#[command(version = version(), max_term_width = WIDTH, subcommand_required = true, arg_required_else_help = true)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
struct Root {
    /// Options every command takes.
    #[command(flatten)]
    global: Global,
}

/// A command line.
#[derive(Debug)]
pub struct Cli<'a> {
    /// Options every command takes.
    pub global: Global,
    /// The command's words, such as `local serve`.
    pub command: String,
    /// The command.
    pub call: Call<'a>,
}

/// The command to run.
#[derive(Debug)]
pub enum Call<'a> {
    /// A task.
    Task(TaskCall<'a>),
    /// Any other command.
    Other(Command),
}

/// All commands: the tasks, and after them those of this program. Their help is the long one.
#[must_use]
pub fn command(tasks: &[TaskCommand]) -> clap::Command {
    described(tasks, Detail::Long)
}

fn described(tasks: &[TaskCommand], detail: Detail) -> clap::Command {
    let root = Root::augment_args(clap::Command::new("quill-admin"));
    // Each derive describes the command by what it knows of the flags, so the text about the whole is set
    // last.
    let root =
        Command::augment_subcommands(root.subcommands(tasks.iter().map(TaskCommand::command))).about(ABOUT);
    let takes_environment = |command: &clap::Command| {
        let name = command.get_name();
        IN_AN_ENVIRONMENT.contains(&name) || tasks.iter().any(|task| task.name == name)
    };
    let root =
        root.mut_subcommands(
            |command| {
                if takes_environment(&command) { command.arg(environment()) } else { command }
            },
        );
    help::describe(root, tasks, detail)
}

/// The commands of this program that take the name of an environment as their first word, as every task
/// does. The others have a word of their own there, or use no environment.
const IN_AN_ENVIRONMENT: [&str; 8] =
    ["build", "restore-backend", "record-key", "doctor", "history", "review", "envs", "whoami"];

/// The id of the environment that is the first word after a command. No parameter of a task has upper case.
pub(crate) const ENVIRONMENT: &str = "ENV";

/// The environment as the first word after a command, where people who have used `just` type it.
fn environment() -> Arg {
    Arg::new(ENVIRONMENT).value_name("ENV").help("Environment to run in, the same as --env")
}

/// A command line that is not run.
#[derive(Debug)]
pub enum Refusal {
    /// Clap's refusal, or what clap answers by itself: help and version.
    Clap(Box<clap::Error>),
    /// A refusal of ours.
    Ours(Box<CliError>),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Self::Clap(Box::new(error))
    }
}

/// Reads a command line, the program's name first.
///
/// # Errors
///
/// Fails with a refusal, and with what clap answers by itself: help and version.
pub fn parse(tasks: &[TaskCommand], words: impl IntoIterator<Item = OsString>) -> Result<Cli<'_>, Refusal> {
    let words: Vec<OsString> = words.into_iter().collect();
    let mut matches = match command(tasks).try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) => {
            let asked = error.kind() == ErrorKind::DisplayHelp && !words.iter().any(|word| word == "--help");
            let brief = asked || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
            let short = brief.then(|| described(tasks, Detail::Short).try_get_matches_from(&words).err());
            return Err(short.flatten().unwrap_or(error).into());
        }
    };
    let is_named = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let (named, runner_is_named) = (is_named("env"), is_named("runner"));
    let command = words_of(&matches);
    let Root { mut global } = Root::from_arg_matches_mut(&mut matches)?;
    if let Some(first) = first_word(&matches) {
        if let Some(env) = global.env.as_deref().filter(|env| named && *env != first) {
            let told = format!(
                "two environments are named: \"{}\" as the first word, and \"{}\" with --env",
                first.escape_debug(),
                env.escape_debug()
            );
            return Err(Refusal::Ours(Box::new(CliError::usage(told).hint("leave one of them out"))));
        }
        global.env = Some(first);
        global.env_is_named = true;
    }
    global.env_is_named |= named;
    global.runner_is_named = runner_is_named;
    let task = tasks.iter().find(|task| matches.subcommand_name() == Some(task.name.as_str()));
    let call = if let Some(task) = task
        && let Some((_, mut matches)) = matches.remove_subcommand()
    {
        Call::Task(task.read(&mut matches)?)
    } else {
        Call::Other(Command::from_arg_matches_mut(&mut matches)?)
    };
    Ok(Cli { global, command, call })
}

/// The words of the command that was found, without its options.
fn words_of(matches: &clap::ArgMatches) -> String {
    let mut words = Vec::new();
    let mut at = matches;
    while let Some((name, below)) = at.subcommand() {
        words.push(name);
        at = below;
    }
    words.join(" ")
}

/// The environment that was given as the first word after the command.
fn first_word(matches: &ArgMatches) -> Option<String> {
    let (_, of_command) = matches.subcommand()?;
    of_command.try_get_one::<String>(ENVIRONMENT).ok().flatten().cloned()
}

/// The choice of `--color` on a command line. It is read before clap, whose help and refusals have colours,
/// too; a value that is not allowed is clap's to refuse.
#[must_use]
pub fn color(words: &[OsString]) -> Color {
    let mut words = words.iter().filter_map(|word| word.to_str()).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let given = match word {
            "--color" | "--colour" => words.next(),
            word => word.strip_prefix("--color=").or_else(|| word.strip_prefix("--colour=")),
        };
        if let Some(color) = given.and_then(|given| Color::from_str(given, false).ok()) {
            return color;
        }
    }
    Color::Auto
}

/// Options every command takes. Which of them a command's help shows is decided in `help/global.rs`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Debug, Args)]
#[command(next_help_heading = help::GLOBAL)]
pub struct Global {
    /// Environment to run in
    #[arg(short, long, global = true, value_name = "NAME", env = "QUILL_ADMIN_ENV", hide_env_values = true)]
    pub env: Option<String>,
    /// Whether the environment stands on the command line, and not in a variable.
    #[arg(skip)]
    pub env_is_named: bool,
    /// The environments file [default: environments.yaml here or above]
    #[arg(long, global = true, value_name = "FILE", env = "QUILL_ADMIN_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// The folder that says what is known of the application [default: built in]
    #[arg(long, global = true, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    pub application: Option<PathBuf>,
    /// A file with an access token to use, in place of the sign-in of this machine
    // Not among the others in every help: it would push their texts to a line of their own.
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub access_token_file: Option<PathBuf>,
    /// What runs local tasks: a process, or the image of "build --env local"
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "RUNNER",
        env = "QUILL_ADMIN_RUNNER",
        hide_env_values = true
    )]
    pub runner: Option<Runner>,
    /// Whether the runner stands on the command line, and not in a variable.
    #[arg(skip)]
    pub runner_is_named: bool,
    /// Print one JSON document on stdout, also on failure
    #[arg(long, global = true)]
    pub json: bool,
    /// Print results, warnings and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: the request's id, the image, the time of each log line
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use colours
    #[arg(long, alias = "colour", global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
    /// Ask nothing, as if there were no terminal
    #[arg(
        long,
        global = true,
        env = "QUILL_ADMIN_NO_INPUT",
        hide_env_values = true,
        value_parser = yes_or_no
    )]
    pub no_input: bool,
    /// Print help: -h in short, --help in full
    #[arg(short, long, global = true, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
    /// A host to trust with the sign-in beside Google's own; can be given several times
    // Hidden like the file with a token, and last, so that the others keep their places in every help.
    #[arg(
        long,
        global = true,
        value_name = "HOST",
        env = "QUILL_ADMIN_TRUSTED_HOSTS",
        hide = true,
        value_delimiter = ',',
        value_parser = quill_admin_operations::trust::host
    )]
    pub trust_host: Vec<String>,
}

/// The choice of when colours are used.
#[expect(missing_docs, reason = "their texts would be shown in the help")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// Reads a variable that stands for a flag. An empty one counts as an unset one.
fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" => Ok(true),
        "" | "0" | "false" => Ok(false),
        _ => Err("allowed in QUILL_ADMIN_NO_INPUT: 1 or true, 0 or false".to_owned()),
    }
}

/// The runner of the tasks of the embedded environment: a process of this machine, or the admin image in the Docker
/// engine.
#[expect(missing_docs, reason = "their texts would be shown in the help")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Runner {
    // No documentation of their own: a list of values with texts makes every help twice as long.
    Process,
    Docker,
}

impl From<Runner> for session::Runner {
    fn from(runner: Runner) -> Self {
        match runner {
            Runner::Process => Self::Process,
            Runner::Docker => Self::Docker,
        }
    }
}

/// The commands of this program; the tasks are data.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the admin image, push it, and let the job run exactly it
    #[command(
        visible_alias = "ba",
        after_help = "\
Shows first what will change in the job. Nothing is built or pushed again when
the registry has the image of the same sources. With --env local the image
stays in this machine's Docker engine.

Examples:
  quill-admin build --env staging
  quill-admin build --env prod --confirm prod
  quill-admin build --env teaching --dry-run"
    )]
    Build(Build),
    /// Give the backend service its own image back, where it runs the admin image
    #[command(after_help = "\
Goes back to the image of the newest revision that was ready and is not the
admin image, or builds the backend from its sources.

Examples:
  quill-admin restore-backend --env staging --dry-run
  quill-admin restore-backend --env staging
  quill-admin restore-backend --env staging --from-source ~/quill")]
    RestoreBackend(RestoreBackend),
    /// Undo what a task has changed, if it is still as the task has left it
    #[command(after_help = "\
The record of the run says which action undoes it. It is run if the fields that
the run has changed still have the values that it has left; otherwise the exit
code is 19, and nothing is changed. Elsewhere than on local only signed records
are undone, see record-key. An account that was created is deactivated, and
never deleted.

Examples:
  quill-admin undo quill-tasks-staging-x7k2p --env staging --preview
  quill-admin undo quill-tasks-staging-x7k2p --env staging")]
    Undo(Undo),
    /// Run a task for each row of a table, such as a class of new users
    #[command(after_help = "\
The columns of the table are the values of the task, under the names of its
flags; --template prints them. The table is CSV, with commas, semicolons or
tabs, in UTF-8 or UTF-16, as spreadsheets write it. Several values in one cell
are separated by |. All rows are judged before anything is started, and all
mistakes are told at once.

The results file keeps the rows, the hashes and the passwords that were made,
and what became of each row; only you can read it. The same command with the
same results file goes on where it was: rows that are done are not run again.
Each row is a transaction of its own, unless --atomic is given.

Exit code 32: some rows failed or were not begun.

Examples:
  quill-admin each create-user --template > class.csv
  quill-admin each create-user -e teaching --from class.csv \\
      --results class.results --generate-passwords --preview
  (umask 077; quill-admin each --table class.results > passwords.csv)")]
    Each(Each),
    /// Make the key that an environment's records are signed with
    #[command(after_help = "\
Makes a new key, and puts it into the secret that records.key_secret of
environments.yaml names. Prints the public half, which verifies records. Keep
the older ones beside it, or what they have signed is not proven any more.

Example:
  quill-admin record-key --env prod")]
    RecordKey(RecordKey),
    /// Look for what is wrong, say why, and offer to put it right
    #[command(after_help = "\
Looks at this machine and at the environment of --env, or at every one that is
not emulated. Changes nothing without --fix.

Exit codes: 0 nothing is wrong, 30 problems, 31 not everything could be decided.

Examples:
  quill-admin doctor --env staging
  quill-admin doctor --env staging --only job-settings --fix --dry-run
  quill-admin doctor --env staging --after quill-tasks-staging-x7k2p
  quill-admin doctor --repo ~/quill --only repository")]
    Doctor(Doctor),
    /// Follow an execution to its end: one that was left, or somebody else's
    #[command(after_help = "\
Ends with the task's exit code.

Example:
  quill-admin attach quill-tasks-staging-x7k2p")]
    Attach(Execution),
    /// Stop an execution and follow it to its end
    #[command(after_help = "\
The task is told to stop and rolls back; if it was done already, it stays done.

Example:
  quill-admin cancel quill-tasks-staging-x7k2p")]
    Cancel(Execution),
    /// Show what an execution has printed
    #[command(after_help = "\
Example:
  quill-admin logs quill-tasks-staging-x7k2p --follow")]
    Logs(Logs),
    /// List what was run: who, when, what, to whom, why, and what came of it
    #[command(after_help = "\
Joins Cloud Run's executions, which it forgets after 7 days, with the records
in Cloud Logging, which are kept for 30 days unless set otherwise.

--user, --actor and --action compare exactly. With --verbose each changed value
is shown before and after, and each row of a run for many; --csv and --html
always have them, and --json has the changes. The table of --csv
(RFC 4180, UTF-8) has a header. A cell that a spreadsheet would take for a
formula, since it begins with = + - @ or a tab, gets an apostrophe before it.
The page of --html can be filtered and sorted, needs no network, and can be read
by nobody else on this machine. It replaces only a page that it wrote before.

Examples:
  quill-admin history --env prod
  quill-admin history -e prod --user steve.jones --since 7d
  quill-admin history -e prod --actor ann@example.org --action add-role -v
  quill-admin history -e prod --since 2026-11-01 --limit 200 --csv > runs.csv
  quill-admin history -e prod --limit 1000 --html runs.html")]
    History(History),
    /// Review what was run since the last review, and record that it was reviewed
    #[command(after_help = "\
Begins where the last review ended, or with --since. Marks what deserves a look:
own rights raised, a superadmin made, out of hours, a record that is not proven
or lacks its start, a run without a record, an undo, a failure. What could not
be looked at is told, and never counts as looked at.

The review is recorded by a run of the job, which changes nothing: at a terminal
after a question, in scripts with --record. The next one begins at its end.

Exit codes: 0 nothing is marked, 30 something is, 31 nothing is, and not
everything could be looked at.

Examples:
  quill-admin review --env prod
  quill-admin review --env prod --since 7d --look
  quill-admin review --env prod --csv > review.csv
  quill-admin review --env prod --record --confirm prod --json")]
    Review(Review),
    /// List the actions, or check the file that declares them
    #[command(after_help = "\
The actions are those of the folder that --application names, or the key
\"application\" of environments.yaml; without either, those built in. With --env
each is listed beside what the deployed image has: the same, another or none.

Examples:
  quill-admin actions
  quill-admin actions --env staging
  quill-admin actions --application ~/quill/application --json")]
    Actions(Actions),
    /// Write a settings file into the working folder, to be edited
    #[command(after_help = "\
Writes environments.yaml as it is built into this program, or to the path of
--config, and never over a file that is there. The environment local needs no
file.

Example:
  quill-admin init")]
    Init,
    /// List the environments
    #[command(after_help = "\
A file that is found in the working folder or above it is used for tasks only
after its project and job were confirmed once: at the question, or with --trust.
One that is named with --config or QUILL_ADMIN_CONFIG needs no confirmation.

Examples:
  quill-admin envs
  quill-admin envs --trust --env staging")]
    Envs(Envs),
    /// Sign in to Google Cloud, with gcloud
    #[command(after_help = "\
The sign-in used is the first there is of:
  a token in the file of --access-token-file or CLOUDSDK_AUTH_ACCESS_TOKEN_FILE
  the credentials in the file of GOOGLE_APPLICATION_CREDENTIALS
  the account signed in with this command, or with gcloud auth login
  gcloud's application default credentials

Example:
  quill-admin login")]
    Login(Login),
    /// Show who calls, what they can do, and which permissions are missing
    #[command(after_help = "\
Permissions that are there are listed with --verbose.

Example:
  quill-admin whoami --env staging")]
    Whoami,
    /// The embedded environment on this machine
    #[command(
        subcommand,
        after_help = "\
Example:
  quill-admin local status"
    )]
    Local(Local),
    /// Print a script that lets a shell complete commands, environments and roles
    #[command(after_help = "\
Examples, each once:
  bash        echo 'source <(quill-admin completions bash)' >> ~/.bashrc
  zsh         echo 'source <(quill-admin completions zsh)' >> ~/.zshrc
  fish        quill-admin completions fish \\
                  > ~/.config/fish/completions/quill-admin.fish
  powershell  quill-admin completions powershell >> $PROFILE
  nushell     quill-admin completions nushell \\
                  | save ($nu.default-config-dir | path join quill-admin.nu)
              and in config.nu: use quill-admin.nu *")]
    Completions(Completions),
    /// Write the manual pages into a folder
    #[command(after_help = "\
Example:
  quill-admin man ~/.local/share/man/man1")]
    Man(Man),
    /// Print the version: of the program, its sources and the contract
    #[command(after_help = "\
Example:
  quill-admin version --json")]
    Version,
    /// Explain a command or a topic
    #[command(after_help = help::topics_text(), override_usage = "quill-admin help [COMMAND | TOPIC]")]
    Help(Help),
    /// Print a page of the documentation
    #[command(
        hide = true,
        after_help = "\
Example:
  quill-admin reference environments"
    )]
    Reference(Reference),
}

/// `actions …`
#[derive(Debug, Args)]
pub struct Actions {
    /// What to do with them; nothing: list them
    #[command(subcommand)]
    pub command: Option<ActionsCommand>,
}

/// `actions …`
#[derive(Debug, Subcommand)]
pub enum ActionsCommand {
    /// Read actions.yaml, and try every statement on the application's tables
    #[command(after_help = "\
PostgreSQL prepares each statement, in a database in a temporary folder that is
made with schema.sql and seed.sql, or with --schema. Nothing is run, and no
environment is used.

Exit codes: 2 mistakes in the file, 15 something does not fit the tables.

Examples:
  quill-admin actions check
  pg_dump --schema-only --no-owner --no-privileges quill_core > dump.sql
  quill-admin actions check --schema dump.sql")]
    Check(ActionsCheck),

    /// Run the golden cases of the application's folder, each twice
    #[command(after_help = "\
The cases are in the folder examples/ beside actions.yaml. PostgreSQL runs them
in a database in a temporary folder that is made with schema.sql and seed.sql;
each case is rolled back, and no environment is used. The second run of a case
has to find nothing to do, or to fail as the first did.

Exit codes: 2 nothing was tested (a mistake in a file, no cases), 15 a case came
out other than it says.

Examples:
  quill-admin actions test --application application
  quill-admin actions test --case add-role")]
    Test(ActionsTest),
}

/// `actions check`
#[derive(Debug, Args)]
pub struct ActionsCheck {
    /// Make the tables of this file, such as a dump, and not of schema.sql
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub schema: Option<PathBuf>,
}

/// `actions test`
#[derive(Debug, Args)]
pub struct ActionsTest {
    /// Run only the cases of the action of this name, or with this in their name
    #[arg(long, value_name = "NAME")]
    pub case: Option<String>,
}

/// `envs`
#[derive(Debug, Args)]
pub struct Envs {
    /// Confirm that tasks may go where the file says, in all environments or that of --env
    #[arg(long)]
    pub trust: bool,
}

/// `build`
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Debug, Args)]
pub struct Build {
    /// Show what would be built and changed, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Build and push even if the registry has this image
    #[arg(long)]
    pub force: bool,
    /// Build every step anew, whatever is cached
    #[arg(long)]
    pub no_cache: bool,
    /// Replace an image that has actions or commits which these sources have not, in place of being asked
    #[arg(long)]
    pub overwrite: bool,
    /// Name a protected environment, in place of being asked
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// A clone of quill-admin [default: the one around this folder]
    #[arg(long, value_name = "FOLDER")]
    pub source: Option<PathBuf>,
    /// Compile it of a clone, as is done inside one
    #[arg(long)]
    pub from_source: bool,
    /// Compile nothing: the carried executor and the application's actions
    #[arg(long, conflicts_with_all = ["source", "from_source", "builder_image", "no_cache"])]
    pub carried: bool,
    /// The Rust image to build with, such as a mirror's
    #[arg(long, value_name = "IMAGE")]
    pub builder_image: Option<String>,
}

/// `login`
#[derive(Debug, Args)]
pub struct Login {
    /// Open no browser: show an address to open on any machine
    #[arg(long)]
    pub no_browser: bool,
}

/// `restore-backend`
#[derive(Debug, Args)]
pub struct RestoreBackend {
    /// Build it from the application's sources, and push it
    #[arg(long, value_name = "FOLDER")]
    pub from_source: Option<PathBuf>,
    /// Show what would be deployed, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Deploy even if the service runs its own image and is ready
    #[arg(long)]
    pub force: bool,
    /// Build every step anew, whatever is cached
    #[arg(long, requires = "from_source")]
    pub no_cache: bool,
    /// Name a protected environment, in place of being asked
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// `doctor`
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Debug, Args)]
pub struct Doctor {
    /// Run these checks only; --list has their ids
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Leave these checks out
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// List the checks, and stop
    #[arg(long)]
    pub list: bool,
    /// Print the page about a check: what it looks for, why, and what to do by hand
    #[arg(long, value_name = "ID", conflicts_with_all = ["only", "skip", "list", "fix", "deep", "repo", "after"])]
    pub explain: Option<String>,
    /// Offer to put right what can be
    #[arg(long)]
    pub fix: bool,
    /// With --fix: do not ask
    #[arg(long, requires = "fix")]
    pub yes: bool,
    /// With --fix: show what would be done, and stop
    #[arg(long, requires = "fix")]
    pub dry_run: bool,
    /// With --fix: remove a lock even if its owner may still be at work
    #[arg(long, requires = "fix")]
    pub force: bool,
    /// With --fix: name a protected environment, in place of being asked
    #[arg(long, value_name = "NAME", requires = "fix")]
    pub confirm: Option<String>,
    /// Look from inside the database's network, too, by running the task "check"
    #[arg(long)]
    pub deep: bool,
    /// The application's repository: its Dockerfile, workflows and justfile are looked at
    #[arg(long, value_name = "FOLDER")]
    pub repo: Option<PathBuf>,
    /// Explain an execution that failed, and run the checks that can tell why
    #[arg(long, value_name = "EXECUTION", conflicts_with = "fix")]
    pub after: Option<String>,
}

/// `undo`
#[derive(Debug, Args)]
pub struct Undo {
    /// The run: the name of its execution, or the id of its request, as history --json has them
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The flags that every task takes
    #[command(flatten)]
    pub flags: TaskFlags,
}

/// `each`
#[derive(Debug, Args)]
pub struct Each {
    /// The task, such as create-user
    #[arg(value_name = "TASK", required_unless_present = "table")]
    pub action: Option<String>,
    /// The table: a header with the names of columns, and a row for each run
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// The results file: made if it is not there, else gone on with
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// Print the header of a table for the task, and stop
    #[arg(long, conflicts_with_all = ["from", "results", "table"])]
    pub template: bool,
    /// Print a results file as CSV, with the passwords that were made, and stop
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "results", "action"])]
    pub table: Option<PathBuf>,
    /// Make a strong password for each row, and keep it in the results file
    #[arg(long)]
    pub generate_passwords: bool,
    /// Do all rows or none: they are one transaction
    #[arg(long)]
    pub atomic: bool,
    /// Begin no further row after more than this many have failed
    #[arg(long, value_name = "NUMBER")]
    pub max_errors: Option<u64>,
    /// The flags that every task takes
    #[command(flatten)]
    pub flags: TaskFlags,
}

/// `record-key`
#[derive(Debug, Args)]
pub struct RecordKey {
    /// Name a protected environment, in place of being asked
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// `attach` and `cancel`
#[derive(Debug, Args)]
pub struct Execution {
    /// Name of the execution, such as quill-tasks-staging-x7k2p
    #[arg(value_name = "EXECUTION")]
    pub execution: String,
}

/// `logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// Name of the execution, such as quill-tasks-staging-x7k2p
    #[arg(value_name = "EXECUTION")]
    pub execution: String,
    /// Go on until the execution has ended
    #[arg(long, conflicts_with = "json")]
    pub follow: bool,
}

/// `history`
#[derive(Debug, Args)]
pub struct History {
    /// How many, at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub limit: u16,
    /// Only those about this user
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Only those by this account, or by whom the request names
    #[arg(long, value_name = "WHO")]
    pub actor: Option<String>,
    /// Only those of this action
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
    /// Only those since then: 7d, 12h, 2026-11-01 [default: 30d]
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Print a table for spreadsheets, one run on each row
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Write one page for a browser into this file
    #[arg(long, value_name = "FILE", conflicts_with = "csv")]
    pub html: Option<PathBuf>,
}

/// `review`
#[derive(Debug, Args)]
pub struct Review {
    /// Begin then, and not where the last review ended: 7d, 12h, 2026-11-01
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only look: leave no record, and do not ask
    #[arg(long)]
    pub look: bool,
    /// Record the review, in place of being asked
    #[arg(long, conflicts_with = "look")]
    pub record: bool,
    /// What is noted in its record
    #[arg(long, value_name = "TEXT", conflicts_with = "look")]
    pub reason: Option<String>,
    /// Name a protected environment, in place of being asked
    #[arg(long, value_name = "NAME", conflicts_with = "look")]
    pub confirm: Option<String>,
    /// Print a table for spreadsheets, one run on each row
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// `completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// A shell that can be helped to complete command lines.
#[expect(missing_docs, reason = "their texts would be shown in the help")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Nushell,
}

/// `man`
#[derive(Debug, Args)]
pub struct Man {
    /// Where to; it is made if it is not there
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// `help`
#[derive(Debug, Args)]
pub struct Help {
    /// The command, in as many words as it has, or the topic
    #[arg(value_name = "COMMAND | TOPIC")]
    pub words: Vec<String>,
}

/// `reference`
#[derive(Debug, Args)]
pub struct Reference {
    /// Which
    #[arg(value_enum, value_name = "PAGE")]
    pub page: Page,
}

/// A page that is made of what this program knows.
#[expect(missing_docs, reason = "their texts would be shown in the help")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Page {
    Actions,
    Commands,
    Environments,
    Options,
    Permissions,
}

/// `local …`
#[derive(Debug, Subcommand)]
pub enum Local {
    /// Say where the local state is and what is in it
    #[command(after_help = "\
Example:
  quill-admin local status")]
    Status,
    /// Delete the local state: users, executions, logs
    #[command(after_help = "\
Example:
  quill-admin local reset --yes")]
    Reset {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Run the emulator and the database until Ctrl-C, for other programs
    #[command(after_help = "\
Prints where the emulator and the database listen, for curl, gcloud logging and
psql, and the token of the emulator's control API, which is new with each start.
The database takes one connection at a time.

Example:
  quill-admin local serve")]
    Serve,
}

/// The version, the sources' revision where git knew it, the contract version, and the executor that is
/// carried.
pub(crate) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let revision = option_env!("QUILL_ADMIN_REVISION").map_or_else(String::new, |id| format!("{id}, "));
        let carried =
            quill_admin_operations::carried::executor().and_then(|executor| executor.sha256.get(..12));
        let carried = carried.map_or_else(String::new, |sha256| format!(", carries executor {sha256}"));
        format!("{} ({revision}contract {CONTRACT_VERSION}{carried})", env!("CARGO_PKG_VERSION"))
    });
    &VERSION
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task_command::catalogue;
    use quill_admin_operations::actions;

    /// Every command's help, with the command's words.
    fn helps(mut command: clap::Command) -> Vec<(String, String)> {
        // The helps of groups of commands are included, but not those of their own `help`.
        command.build();
        let mut helps = Vec::new();
        let mut open = vec![command];
        while let Some(mut command) = open.pop() {
            let name = command.get_bin_name().unwrap_or("quill-admin").to_owned();
            helps.push((name, command.render_long_help().to_string()));
            open.extend(command.get_subcommands().filter(|one| one.get_name() != "help").cloned());
        }
        helps
    }

    #[test]
    fn every_help_fits_a_terminal_and_has_an_example() {
        let helps = helps(command(&catalogue(actions::of_this_run())));
        assert!(helps.len() > 20, "{}", helps.len());
        for (name, help) in helps {
            assert!(help.is_ascii(), "{name}: every locale can show it: {help}");
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
            if name == "quill-admin" {
                assert!(help.lines().count() <= 24, "{help}");
                continue;
            }
            let examples = help.split_once("\nExample").unwrap_or_else(|| panic!("{name} has no example")).1;
            assert!(examples.contains(&name), "{name}: its example is another command's:{examples}");
        }
    }

    #[test]
    fn clap_finds_no_fault() {
        command(&catalogue(actions::of_this_run())).debug_assert();
    }
}
