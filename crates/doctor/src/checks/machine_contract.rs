//! The check `machine-contract`: it reports the contract versions of this program, with which the images of
//! jobs are compared.

use quill_admin_contract::image::Contracts;

use crate::check::{Check, Scope};
use crate::finding::Report;

pub(crate) const CHECK: Check = Check {
    id: "machine-contract",
    title: "this program, and the contract it speaks",
    needs: &[],
    scope: Scope::Machine(|_| {
        let note = format!("quill-admin {}, contract versions {}", env!("CARGO_PKG_VERSION"), Contracts::OWN);
        Box::pin(async { Ok(Report::healthy(note)) })
    }),
};
