//! Examines the target in the job's command: it has to be there, and be that of the environment's database.
//!
//! The address, the database, the user and the schema are compared, then the way in which the server is
//! verified. The rules for the right target are those of `admin_image/target.rs` in the crate `operations`.
//!
//! To compare another part: `wanted`; for one that concerns certificates, `trust`.

use std::collections::BTreeSet;

use quill_admin_cloud::{DatabaseInstance, Job, ServerCa};
use quill_admin_contract::{Target, TlsMode};
use quill_admin_operations::admin_image::target::{self, Trust, fingerprints, fingerprints_of};

use super::super::job_settings::PutJobRight;
use crate::finding::Finding;
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

/// Adds the fix, for a person who may change the job, and the advice about Terraform, which sets the same.
fn fixable(finding: Finding) -> Finding {
    finding
        .fix(PutJobRight)
        .advice("where Terraform manages the job, terraform apply does the same")
        .blocks_nothing()
}

fn problem(what: String, why: &str) -> Finding {
    fixable(Finding::problem(what, why))
}

fn warning(what: String, why: &str) -> Finding {
    fixable(Finding::warning(what, why))
}

/// The findings about the job's target; `address` is the instance's. What cannot be seen is noted in
/// `undecided`.
pub(super) async fn inspect(
    inquiries: &Inquiries,
    job: &Job,
    instance: &DatabaseInstance,
    address: &str,
    undecided: &mut Vec<Undecided>,
) -> Vec<Finding> {
    let required = inquiries.environment.target_required;
    let own = match Target::in_command(&job.settings.command) {
        None => return vec![missing(target::in_arguments(&job.settings), required)],
        Some(Err(error)) => {
            return vec![problem(
                format!("the job's command has a target in it, and {error}"),
                "every task ends with 2 before anything is connected to",
            )];
        }
        Some(Ok(own)) => own,
    };
    let mut findings = Vec::from_iter(place(&own, &wanted(inquiries, &own, address)));
    let listed = if target::lists_authorities(instance) {
        match inquiries.server_cas().await {
            Ok(listed) => listed,
            Err(unseen) => {
                let cause = format!(
                    "whether the job trusts the instance's certificate is not seen: {}",
                    unseen.cause
                );
                undecided.push(Undecided { cause, ..unseen.blocks_nothing() });
                return findings;
            }
        }
    } else {
        &[]
    };
    findings.extend(trust(&own, &Trust::of(instance, listed), listed));
    findings
}

/// The finding that the job's command names no database.
fn missing(in_arguments: bool, required: bool) -> Finding {
    let why = "whoever may run the job can name a server of their own, and the job would speak to it";
    if in_arguments {
        return problem(
            "the job's target stands in its arguments, which a run can override, and not in its command"
                .to_owned(),
            why,
        );
    }
    let what = "the job's command does not say which database it is for".to_owned();
    if required {
        let why = format!("{why}; the environments file requires it, so that no task is run");
        return problem(what, &why);
    }
    warning(what, why)
}

/// The parts of the target, each with its name, its value in the job, and the value that it should have.
fn wanted<'a>(
    inquiries: &'a Inquiries,
    own: &'a Target,
    address: &'a str,
) -> [(&'static str, &'a str, &'a str); 4] {
    let (environment, parts) = (&inquiries.environment, own.parts());
    [
        ("address", &parts.host, address),
        ("database", &parts.name, &environment.database_name),
        ("user", &parts.user, &environment.database_user),
        ("schema", &parts.schema, &quill_admin_operations::actions::of_this_run().schema),
    ]
}

fn place(own: &Target, parts: &[(&str, &str, &str)]) -> Option<Finding> {
    let wrong: Vec<String> = parts
        .iter()
        .filter(|(_, own, wanted)| own != wanted)
        .map(|(part, own, wanted)| format!("{part}: {own} in the job's command, {wanted} here"))
        .collect();
    (!wrong.is_empty()).then(|| {
        problem(
            format!("the job is for another database: {own}"),
            "every task works there and not in this environment's database, or ends with 13, 14 or 15",
        )
        .evidence(wrong)
    })
}

/// The findings about the verification of the server, today and after the next rotation of its certificate.
fn trust(own: &Target, wanted: &Trust, listed: &[ServerCa]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mode = own.tls();
    if mode != wanted.tls {
        let what =
            format!("the job's target has the TLS mode {}, not {}", mode.as_str(), wanted.tls.as_str());
        findings.push(if mode.verifies() || mode == TlsMode::Disable {
            problem(what, "the job cannot recognise this instance's certificate: every task ends with 14")
        } else {
            warning(what, "the job encrypts, and does not verify that it speaks to its own database")
        });
        return findings;
    }
    if let Some(doubt) = wanted.doubt {
        findings.push(
            Finding::warning(
                "the job encrypts, and does not verify that it speaks to its own database",
                "whoever stands at the instance's address would be taken for it",
            )
            .evidence([doubt])
            .blocks_nothing(),
        );
    }
    if let (own, Some(name)) = (&own.parts().server_name, &wanted.server_name)
        && own.as_ref() != Some(name)
    {
        findings.push(problem(
            format!("the job looks for another name in the certificate than the instance's, {name}"),
            "the job does not recognise the instance: every task ends with 14",
        ));
    }
    findings.extend(authorities(&fingerprints(own), wanted, listed));
    findings
}

fn authorities(trusted: &BTreeSet<String>, wanted: &Trust, listed: &[ServerCa]) -> Vec<Finding> {
    let active = |pem: &str| listed.iter().find(|ca| ca.pem == pem).and_then(|ca| ca.active);
    let mut findings = Vec::new();
    let missing =
        wanted.cas.iter().filter(|pem| !fingerprints_of(pem).iter().all(|one| trusted.contains(one)));
    for pem in missing {
        let name = fingerprints_of(pem).join(", ");
        // Where it is not known which CA is active, it is taken for one that the job does not trust only when
        // the job trusts no other.
        let trusts_another =
            wanted.cas.iter().flat_map(|pem| fingerprints_of(pem)).any(|one| trusted.contains(&one));
        findings.push(match active(pem) {
            Some(true) => problem(
                format!("the job does not trust the CA that signs the instance's certificate: {name}"),
                "every task ends with 14",
            ),
            None if !trusts_another => problem(
                format!("the job trusts none of the instance's CAs, among them {name}"),
                "every task ends with 14",
            ),
            Some(false) | None => warning(
                format!("the job does not trust the CA that comes next: {name}"),
                "from the day on which the instance's certificate is rotated, every task ends with 14",
            ),
        });
    }
    let known: BTreeSet<String> = wanted.cas.iter().flat_map(|pem| fingerprints_of(pem)).collect();
    let strangers: Vec<String> = trusted.difference(&known).cloned().collect();
    if !strangers.is_empty() {
        findings.push(
            warning(
                "the job trusts a CA that the instance does not list".to_owned(),
                "a server whose certificate it signed would be taken for the database",
            )
            .evidence(strangers),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    fn ca(name: &str, active: Option<bool>) -> ServerCa {
        let pem = format!("-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----");
        ServerCa { pem, active }
    }

    fn seen(trusted: &[&str], listed: &[ServerCa]) -> Vec<(Severity, String)> {
        let wanted = Trust {
            tls: TlsMode::VerifyCa,
            server_name: None,
            cas: listed.iter().map(|ca| ca.pem.clone()).collect(),
            doubt: None,
        };
        let trusted = trusted.iter().flat_map(|name| fingerprints_of(&ca(name, None).pem)).collect();
        let findings = authorities(&trusted, &wanted, listed).into_iter();
        findings
            .map(|one| (one.severity, one.what.split(':').next().unwrap_or_default().to_owned()))
            .collect()
    }

    #[test]
    fn a_coming_ca_is_a_warning_before_its_day_and_a_problem_after() {
        let before = [ca("AAAA", Some(true)), ca("BBBB", Some(false))];
        let after = [ca("AAAA", Some(false)), ca("BBBB", Some(true))];
        let next = "the job does not trust the CA that comes next";
        let signs = "the job does not trust the CA that signs the instance's certificate";
        assert_eq!(seen(&["AAAA", "BBBB"], &before), []);
        assert_eq!(seen(&["AAAA"], &before), [(Severity::Warning, next.to_owned())]);
        assert_eq!(seen(&["AAAA"], &after), [(Severity::Problem, signs.to_owned())]);
        // Where the API does not tell which one is active, trusting one of them is not yet a problem.
        let untold = [ca("AAAA", None), ca("BBBB", None)];
        assert_eq!(seen(&["BBBB"], &untold), [(Severity::Warning, next.to_owned())]);
        assert_eq!(seen(&["CCCC"], &untold).iter().filter(|one| one.0 == Severity::Problem).count(), 2);
    }

    #[test]
    fn a_ca_that_the_instance_does_not_list_is_told() {
        let listed = [ca("AAAA", Some(true))];
        let stranger = "the job trusts a CA that the instance does not list";
        assert_eq!(seen(&["AAAA", "CCCC"], &listed), [(Severity::Warning, stranger.to_owned())]);
    }
}
