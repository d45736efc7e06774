//! Examines the target in the job's command: it has to be there, and be that of the environment's database.
//!
//! The place of the database is compared, then the way in which the server is verified. The rules for the right
//! target are those of `admin_image/target.rs` in the crate `operations`.
//!
//! To compare another part: `place` there; for one that concerns certificates, `trust` here.

use std::collections::BTreeSet;

use quill_admin_cloud::{DatabaseInstance, Job, ServerCa};
use quill_admin_contract::{Target, TlsMode};
use quill_admin_operations::admin_image::target::{self, Doubt, Trust, fingerprints, fingerprints_of};

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
    let unseen = |why: Undecided| {
        let cause = format!("whether the job trusts the instance's certificate is not seen: {}", why.cause);
        Undecided { cause, ..why.blocks_nothing() }
    };
    let wanted = |trust| target::target(&inquiries.environment, address, trust).map_err(Undecided::from);
    let mut findings = match wanted(Trust::kept(&own)) {
        Ok(wanted) => Vec::from_iter(place(&own, &wanted)),
        Err(invalid) => {
            undecided.push(invalid.blocks_nothing());
            return Vec::new();
        }
    };
    let listed = if target::lists_authorities(instance) {
        match inquiries.server_cas().await {
            Ok(listed) => listed,
            Err(why) => {
                undecided.push(unseen(why));
                return findings;
            }
        }
    } else {
        &[]
    };
    match Trust::of(instance, listed, Some(&own)) {
        Ok(told) => match wanted(told.clone()) {
            Ok(_) => findings.extend(trust(&own, &told, listed)),
            Err(invalid) => undecided.push(unseen(invalid)),
        },
        Err(doubt) if own.tls().verifies() => undecided.push(unseen(Undecided::new(doubt))),
        Err(doubt) => findings.push(unverified(&own, doubt)),
    }
    findings
}

/// The finding that the job verifies nothing, where Cloud SQL does not say what it could verify.
fn unverified(own: &Target, doubt: Doubt) -> Finding {
    let what = "the job encrypts, and does not verify that it speaks to its own database";
    let why = "whoever stands at the instance's address would be taken for it";
    match own.tls() {
        TlsMode::Require => Finding::warning(what, why).evidence([doubt]).blocks_nothing(),
        mode => other_mode(mode, TlsMode::Require).evidence([doubt]),
    }
}

/// The finding that the target has another mode than it should have.
fn other_mode(mode: TlsMode, wanted: TlsMode) -> Finding {
    let what = format!("the job's target has the TLS mode {}, not {}", mode.as_str(), wanted.as_str());
    if mode.verifies() || mode == TlsMode::Disable {
        problem(what, "the job cannot recognise this instance's certificate: every task ends with 14")
    } else {
        warning(what, "the job encrypts, and does not verify that it speaks to its own database")
    }
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

/// The finding that the target is of another database.
fn place(own: &Target, wanted: &Target) -> Option<Finding> {
    let wrong: Vec<String> = target::place(own)
        .into_iter()
        .zip(target::place(wanted))
        .filter(|((_, own), (_, wanted))| own != wanted)
        .map(|((part, own), (_, wanted))| format!("{part}: {own} in the job's command, {wanted} here"))
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
    if own.tls() != wanted.tls {
        findings.push(other_mode(own.tls(), wanted.tls));
        return findings;
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
