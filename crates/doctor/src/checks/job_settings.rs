//! The job is set up as the environments file says.

use quill_admin_operations::flow::build;
use quill_admin_operations::flow::fit::{self, Unfit};
use quill_admin_operations::flow::target::{self, Database};

use crate::check::{Check, Look};
use crate::facts::Facts;
use crate::finding::{Finding, Seen, Undecided};
use crate::treatment::{self, Treatment};

pub(crate) const CHECK: Check = Check {
    id: "job-settings",
    title: "the job's settings against the environments file",
    needs: &["job"],
    look: Look::Environment(|facts| Box::pin(look(facts))),
};

async fn look(facts: &Facts) -> Result<Seen, Undecided> {
    if !facts.environment.has_surroundings() {
        return Ok(Seen::nothing("this program sets the job up itself"));
    }
    let job = facts.existing_job().await?;
    // The database's address and the target are the check `database`'s, which can ask for them.
    let wanted = build::settings(&facts.environment, &Database::default(), job);
    let changes = target::differences(&job.settings, &wanted);
    if changes.is_empty() {
        return Ok(Seen::healthy("as the environments file has them"));
    }
    let retries = job.settings.max_retries != 0;
    let why = if retries {
        "a task that failed is run again, and a change could be made twice: tasks that write are refused"
    } else if !matches!(fit::image(&job.settings).1, Some(Unfit::NotDeployed)) {
        "somebody or something else has changed the job since it was deployed"
    } else {
        "`build` has not deployed to this job: Terraform or somebody else has set it up in another way"
    };
    let what = match changes.len() {
        1 => "a setting of the job is not as the environments file has it".to_owned(),
        count => format!("{count} of the job's settings are not as the environments file has them"),
    };
    Ok(Finding::problem(what, why)
        .evidence(changes.iter().map(treatment::line))
        .treatment(Treatment::PutJobRight)
        .blocks_nothing()
        .into())
}
