//! `create-superadmin`: creates a superadmin, or makes an existing user one.

use quill_admin_contract::{ActionName, AdminAction, Email, ExitCode, Password, Username};

use super::Context;
use super::task::Task;
use crate::args::CreateSuperadmin;
use crate::error::CliError;
use crate::password;

pub(super) async fn run(mut context: Context<'_>, args: CreateSuperadmin) -> Result<u8, CliError> {
    if args.password_stdin {
        if context.process.stdin_is_terminal {
            return Err(CliError::usage(
                "--password-stdin: stdin is a terminal, which would show the password",
            )
            .hint("leave the flag out to be asked for the password, hidden"));
        }
        // Stdin is the password's now: nothing can be asked.
        context.form.unattended();
    }
    let username = context.form.flag::<Username>("--username", args.username.as_deref());
    let email = context.form.flag::<Email>("--email", args.email.as_deref());
    let options = context.task_options(ActionName::CreateSuperadmin, args.task);
    if !args.password_stdin && !args.generate_password {
        context.form.need("--password-stdin or --generate-password");
    }
    context.need_environment();
    context.form.check()?;

    let (environment, opening) = context.open_for_task(&options)?;
    let username = context.form.text(username, "Username")?;
    let email = context.form.text(email, "Email")?;
    let judge = |secret| password::judge(secret, &username, &email);
    let mut generated_password = None;
    let password: Password = if args.password_stdin {
        judge(password::from_stdin(std::io::stdin())?)
            .map_err(|why| CliError::usage(format!("--password-stdin: {why}")))?
    } else if args.generate_password {
        generated_password.insert(password::generate()?).clone()
    } else {
        context.form.new_secret("Password (hidden)", "Password, again", judge)?
    };

    let for_action = username.clone();
    let action = async move {
        let password_hash = tokio::task::spawn_blocking(move || password.hash()).await.map_err(|error| {
            CliError::new(ExitCode::Unexpected, format!("failed to hash the password: {error}"))
        })?;
        Ok(AdminAction::CreateSuperadmin { username: for_action, email, password_hash })
    };
    let username = Some(username);
    context.run_task(Task { environment, opening, username, options, action, generated_password }).await
}
