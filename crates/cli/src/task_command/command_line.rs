//! A task command and clap: the command that clap is given, and what clap has read.

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches as _};

use super::{Kind, Parameter, TaskCommand, TextFlag};

/// The flags that every task takes.
#[derive(Debug, Args)]
pub struct TaskFlags {
    /// Why this is done; recorded with the run
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Name a protected environment, in place of being asked
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Show what would be done, have Google Cloud check it, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Run an image that `quill-admin build` has not deployed
    #[arg(long)]
    pub allow_unpinned: bool,
    /// Do not ask "Run it?" after questions
    #[arg(short, long)]
    pub yes: bool,
}

/// A task command that was called, with what its flags say.
#[derive(Debug)]
pub struct TaskCall<'a> {
    /// The command.
    pub command: &'a TaskCommand,
    /// What was given of each parameter, in their order.
    pub given: Vec<Given<'a>>,
    /// What every task is told.
    pub flags: TaskFlags,
}

/// What the command line says of a parameter.
#[derive(Debug)]
pub enum Given<'a> {
    /// A text, or nothing.
    Text {
        /// The parameter.
        parameter: &'a Parameter,
        /// Its flag.
        flag: &'a TextFlag,
        /// The text as it was typed.
        text: Option<String>,
    },
    /// Where a password is to be taken from.
    Password {
        /// The parameter.
        parameter: &'a Parameter,
        /// Where from.
        source: PasswordSource,
    },
}

/// Where a password comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordSource {
    /// A person is asked for it.
    Asked,
    /// It is the one line that stdin holds.
    Stdin,
    /// It is made here, and shown once.
    Generated,
}

impl PasswordSource {
    /// The flag that has a password read from stdin. Stdin holds one, so a command takes one, and the flags need
    /// not tell several apart.
    pub const STDIN: &str = "password-stdin";
    /// The flag that has a password made here.
    pub const GENERATE: &str = "generate-password";
}

impl TaskCommand {
    /// The command for clap.
    #[must_use]
    pub fn command(&self) -> clap::Command {
        let command = clap::Command::new(self.name.clone()).args(self.parameters.iter().flat_map(args));
        // The derive says of the command what it knows of the flags: what the command is comes after.
        TaskFlags::augment_args(command)
            .visible_aliases(self.aliases.iter().cloned())
            .about(self.about.clone())
            .after_help(self.after_help.clone())
    }

    /// Reads what clap has found behind the command's name.
    ///
    /// # Errors
    ///
    /// If the matches are those of another command.
    pub fn read(&self, matches: &mut ArgMatches) -> Result<TaskCall<'_>, clap::Error> {
        let flags = TaskFlags::from_arg_matches_mut(matches)?;
        let given = self.parameters.iter().map(|parameter| read(parameter, matches)).collect();
        Ok(TaskCall { command: self, given, flags })
    }
}

impl TaskCall<'_> {
    /// Whether a password is to come from there.
    #[must_use]
    pub fn takes_password_from(&self, place: PasswordSource) -> bool {
        self.given.iter().any(|given| matches!(given, Given::Password { source, .. } if *source == place))
    }
}

/// The flags of a parameter.
fn args(parameter: &Parameter) -> Vec<Arg> {
    match &parameter.kind {
        Kind::Text(flag) => {
            let arg = Arg::new(parameter.name.clone())
                .long(parameter.name.clone())
                .short(flag.short)
                .value_name(flag.value_name.clone())
                .help(flag.help.clone());
            vec![arg]
        }
        Kind::Password => {
            let flag =
                |name: &'static str, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
            vec![
                flag(PasswordSource::STDIN, "Read the password from stdin: one line")
                    .conflicts_with(PasswordSource::GENERATE),
                flag(PasswordSource::GENERATE, "Make a strong password and show it once"),
            ]
        }
    }
}

fn read<'a>(parameter: &'a Parameter, matches: &mut ArgMatches) -> Given<'a> {
    match &parameter.kind {
        Kind::Text(flag) => Given::Text { parameter, flag, text: matches.remove_one(&parameter.name) },
        Kind::Password => {
            let source = if matches.get_flag(PasswordSource::STDIN) {
                PasswordSource::Stdin
            } else if matches.get_flag(PasswordSource::GENERATE) {
                PasswordSource::Generated
            } else {
                PasswordSource::Asked
            };
            Given::Password { parameter, source }
        }
    }
}
