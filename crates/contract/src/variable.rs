//! The names of all environment variables of the contract, each once, with its documentation.
//!
//! To add a variable: a row here, both directions in `env/mod.rs`, and the round trip in `tests/`.

/// One environment variable.
#[derive(Debug)]
pub struct Variable {
    /// The name of the variable.
    pub name: &'static str,
    /// The name that newer deployments give the variable; read where `name` is not set.
    pub newer: Option<&'static str>,
    /// The condition under which the variable is read or required.
    pub when: &'static str,
    /// The values that it may have.
    pub rule: &'static str,
}

macro_rules! variables {
    ($list:ident: $($name:ident $(or $newer:ident)?, $when:literal, $rule:literal;)+) => {
        $(
            #[doc = $rule]
            pub static $name: Variable = Variable {
                name: stringify!($name),
                newer: variables!(@newer $($newer)?),
                when: $when,
                rule: $rule,
            };
        )+
        /// These variables, in the order documentation lists them.
        pub static $list: &[&Variable] = &[$(&$name),+];
    };
    (@newer) => { None };
    (@newer $newer:ident) => { Some(stringify!($newer)) };
}

variables! { TASK:
    ADMIN_ACTION, "always", "name of an action of the image's, or check";
    ADMIN_ACTION_DIGEST, "optional", "64 hexadecimal digits: the digest of the action that is meant; an image whose action of this name does something else refuses, from contract version 3 on";
    ADMIN_USERNAME, "actions with the parameter username", "see [Actions](actions.md); it is in the record also where the rest is wrong";
    ADMIN_REQUEST_ID, "optional", "UUID version 7 of this request, or version 8 of a part of many; in every log line and the result";
    ADMIN_ACTOR, "optional", "who asked; recorded, never trusted for access";
    ADMIN_REASON, "optional", "why; recorded";
    ADMIN_ORIGIN, "optional", "which run of a pipeline asked; recorded from contract version 3 on, never trusted for access";
    ADMIN_CONTRACT, "optional", "contract version to speak, the newest when missing; newer than the image knows is refused";
    ADMIN_MODE, "optional", "preview: everything is done as asked, told, and rolled back; from contract version 4 on";
    ADMIN_EXPECT, "optional", "64 hexadecimal digits: the plan that a preview has told; where it would not be this one, nothing is changed; from contract version 4 on";
    ADMIN_UNDOES, "optional", "JSON: the execution that is undone, and the values that it has left, which must still be there; from contract version 4 on";
    ADMIN_ROWS_1, "optional", "rows of values for the action, one on each line, in place of `ADMIN_USERNAME` and the others: `{\"row\": 1, \"values\": {\"username\": \"…\"}}`, the names as in the variables, in small letters without `ADMIN_`. More rows follow in `ADMIN_ROWS_2` and so on. Each row is a transaction of its own; from contract version 4 on";
    ADMIN_ATOMIC, "optional", "true: all rows are one transaction; from contract version 4 on";
    ADMIN_MAX_ERRORS, "optional", "number of failed rows after which no further row is begun; all rows are run when missing; from contract version 4 on";
    ADMIN_REVIEW, "review", "JSON: the period that was reviewed, how many runs, how many of them are marked, what could not be looked at, and the SHA-256 of all of it; recorded";
    ADMIN_PROOF_KEY, "optional", "64 hexadecimal digits, new for every request: the result is proven with it, from contract version 2 on";
    ADMIN_RECORD_KEY, "optional", "64 hexadecimal digits, from a secret that only the job's account may read: the result is signed with it";
    ADMIN_LOG_FORMAT, "optional", "json or text; without it json in Cloud Run, text elsewhere";
}

variables! { CONNECTION:
    AUTH_DB_HOST or CORE_DB_HOST, "always", "host name, IP address, or folder of a Unix socket";
    AUTH_DB_PORT or CORE_DB_PORT, "optional", "1–65535, `5432` when missing";
    AUTH_DB_NAME or CORE_DB_NAME, "always", "database";
    AUTH_DB_USER or CORE_DB_USER, "optional", "user, `quill` when missing";
    AUTH_DB_PASSWORD or CORE_DB_PASSWORD, "always", "the user's password, taken exactly as it is";
    AUTH_DB_SSLMODE or CORE_DB_SSLMODE, "optional", "disable, prefer, require, verify-ca or verify-full; `prefer` when missing. Only loopback and Unix sockets are connected to without TLS";
    AUTH_DB_SSLROOTCERT or CORE_DB_SSLROOTCERT, "verify-ca, verify-full", "path of a PEM file with the certificates to trust";
}

/// The variables that hold rows are called this and a number, counted from 1.
pub const ROWS_VARIABLE: &str = "ADMIN_ROWS_";

/// This variable is set by Cloud Run in every job's container; its presence selects JSON output.
pub static CLOUD_RUN_JOB: &str = "CLOUD_RUN_JOB";
/// This variable is set by Cloud Run as well: the id of the execution.
pub static CLOUD_RUN_EXECUTION: &str = "CLOUD_RUN_EXECUTION";
