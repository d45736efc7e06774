//! Makes the clap command of a task command, and reads what clap has found.
//!
//! To add a flag of all tasks: its field in [`TaskFlags`], and `TaskOptions` in `commands/task.rs`. To add a source
//! of passwords: [`PasswordSource`] with its flag in `args`, and `commands/run_task/ask.rs`.

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches as _};

use quill_admin_actions::Kind;

use super::{TaskCommand, TaskParameter, help};

/// The flags that every task takes.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct TaskFlags {
    /// Why this is done; recorded with the run
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Name a protected environment beforehand
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Show the plan, have Google Cloud check it, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Show what would change, and change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "expect", "yes"])]
    pub preview: bool,
    /// Run it only if it does what this preview has shown
    #[arg(long, value_name = "PLAN")]
    pub expect: Option<String>,
    /// Run an image that "build" has not deployed
    #[arg(long)]
    pub allow_unpinned: bool,
    /// Do not ask "Run it?", nor after a preview
    #[arg(short, long)]
    pub yes: bool,
}

/// A task command that was called, with the values of its flags.
#[derive(Debug)]
pub struct TaskCall<'a> {
    /// The command.
    pub command: &'a TaskCommand,
    /// The given value of each parameter, in their order.
    pub given: Vec<Given<'a>>,
    /// The flags that every task takes.
    pub flags: TaskFlags,
}

/// The value that the command line gives to a parameter.
#[derive(Debug)]
pub enum Given<'a> {
    /// A text, or nothing.
    Text {
        /// The parameter.
        parameter: &'a TaskParameter,
        /// The text as it was typed; of several, one on each line.
        text: Option<String>,
    },
    /// The source of a password.
    Password {
        /// The parameter.
        parameter: &'a TaskParameter,
        /// The source.
        source: PasswordSource,
    },
}

/// The source of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordSource {
    /// A person is asked for it.
    Asked,
    /// It is the one line on stdin.
    Stdin,
    /// It is made here, and shown once.
    Generated,
    /// None is given: it may be left out.
    None,
}

impl PasswordSource {
    /// The flag that reads a password from stdin. Stdin holds one password, so a command takes one, and the
    /// flags need not tell several apart.
    pub const STDIN: &str = "password-stdin";
    /// The flag that makes a password here.
    pub const GENERATE: &str = "generate-password";
}

impl TaskCommand {
    /// Makes the command for clap.
    #[must_use]
    pub fn command(&self) -> clap::Command {
        let command = clap::Command::new(self.name.clone()).args(self.parameters.iter().flat_map(args));
        // The derive describes the command by what it knows of the flags, so the text about the command is
        // set after it.
        let command = TaskFlags::augment_args(command);
        // They are read all the same, so that the refusal can say why.
        let command = ["preview", "expect"]
            .into_iter()
            .fold(command, |command, flag| command.mut_arg(flag, |arg| arg.hide(!self.previews)));
        command
            .visible_aliases(self.aliases.iter().cloned())
            .about(self.about.clone())
            .after_help(self.after_help.clone())
    }

    /// Reads the values that clap has found after the command's name.
    ///
    /// # Errors
    ///
    /// Fails when the matches are those of another command.
    pub fn read(&self, matches: &mut ArgMatches) -> Result<TaskCall<'_>, clap::Error> {
        let flags = TaskFlags::from_arg_matches_mut(matches)?;
        let given = self.parameters.iter().map(|parameter| read(parameter, matches)).collect();
        Ok(TaskCall { command: self, given, flags })
    }
}

impl TaskCall<'_> {
    /// Whether a password is to come from this source.
    #[must_use]
    pub fn takes_password_from(&self, place: PasswordSource) -> bool {
        self.given.iter().any(|given| matches!(given, Given::Password { source, .. } if *source == place))
    }
}

/// The flags of a parameter.
fn args(parameter: &TaskParameter) -> Vec<Arg> {
    if parameter.rule.is_secret() {
        let flag = |name: &'static str, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
        return vec![
            flag(PasswordSource::STDIN, "Read the password from stdin: one line")
                .conflicts_with(PasswordSource::GENERATE),
            flag(PasswordSource::GENERATE, "Make a strong password and show it once"),
        ];
    }
    let arg = Arg::new(parameter.name().to_owned())
        .long(parameter.flag())
        .short(parameter.words.short)
        .value_name(parameter.value_name())
        .help(help::of_flag(parameter));
    vec![match parameter.rule.kind {
        // The flag alone means yes.
        Kind::Boolean => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ if parameter.rule.many => arg.action(ArgAction::Append),
        _ => arg,
    }]
}

fn read<'a>(parameter: &'a TaskParameter, matches: &mut ArgMatches) -> Given<'a> {
    if !parameter.rule.is_secret() {
        let given = matches.remove_many::<String>(parameter.name());
        let text = given.map(|texts| texts.collect::<Vec<_>>().join("\n"));
        return Given::Text { parameter, text };
    }
    let source = if matches.get_flag(PasswordSource::STDIN) {
        PasswordSource::Stdin
    } else if matches.get_flag(PasswordSource::GENERATE) {
        PasswordSource::Generated
    } else if parameter.rule.is_required() {
        PasswordSource::Asked
    } else {
        PasswordSource::None
    };
    Given::Password { parameter, source }
}
