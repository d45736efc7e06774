//! The statements.
//!
//! Parameters are sent with their types, so that a statement takes one round trip. Text is sent as
//! `text`, numbers as `bigint`: the server converts both to what the column is. Where the tables have
//! two generations a statement has two forms, because one that names a missing column fails.

/// The tables with their columns, as unqualified names find them now.
///
/// From the catalogue and not `information_schema`, which leaves out what the user may not read:
/// a missing right would look like a missing column. `hidden_in` is a schema the user may not enter
/// and which has a table of this name: that is a missing right too.
pub(crate) const SCHEMA: &str = "\
SELECT wanted.name,
       found.oid IS NOT NULL,
       (SELECT hidden.nspname::text
          FROM pg_class AS other JOIN pg_namespace AS hidden ON hidden.oid = other.relnamespace
         WHERE other.relname = wanted.name AND NOT has_schema_privilege(hidden.oid, 'USAGE')
         LIMIT 1),
       ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = found.oid AND attnum > 0 AND NOT attisdropped),
       ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = found.oid AND attnum > 0 AND NOT attisdropped
                AND attnotnull AND NOT atthasdef AND attidentity = ''),
       (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid())
  FROM (VALUES ('users'), ('roles'), ('user_role')) AS wanted (name)
  LEFT JOIN pg_class AS found ON found.oid = to_regclass(wanted.name)";

/// Whether the user may read and write what the actions do, the sequence behind `users.id` included, and
/// whether the database takes changes at all.
pub(crate) const RIGHTS: &str = "\
SELECT current_database()::text,
       current_user::text,
       has_table_privilege('users', 'SELECT')
       AND has_table_privilege('roles', 'SELECT')
       AND has_table_privilege('user_role', 'SELECT'),
       has_table_privilege('users', 'INSERT')
       AND has_table_privilege('users', 'UPDATE')
       AND has_table_privilege('user_role', 'INSERT')
       AND has_table_privilege('user_role', 'DELETE')
       AND NOT pg_is_in_recovery()
       AND current_setting('default_transaction_read_only') = 'off'
       AND NOT EXISTS (
           SELECT FROM pg_attrdef AS fallback
             JOIN pg_depend AS needs ON needs.classid = 'pg_attrdef'::regclass AND needs.objid = fallback.oid
              AND needs.refclassid = 'pg_class'::regclass
             JOIN pg_class AS sequence ON sequence.oid = needs.refobjid
            WHERE fallback.adrelid = 'users'::regclass
              AND CASE WHEN sequence.relkind = 'S'
                       THEN NOT has_sequence_privilege(sequence.oid, 'USAGE, UPDATE') END)";

/// Takes the user's row for this transaction, waiting for others to finish with it. `$2` is a hash to
/// compare with the one that is stored.
///
/// A statement of its own: what it waited for changed more than this row, and only the next statement
/// sees that.
pub(crate) const LOCK_USER: &str =
    "SELECT id::bigint, password_hash = $2 FROM users WHERE username = $1 FOR UPDATE";

macro_rules! user {
    ($email_verified:literal) => {
        concat!(
            "SELECT username::text, email::text, system_permissions::text, base_profession::text, ",
            "is_active, is_totp_enabled, ",
            $email_verified,
            ", ARRAY(SELECT roles.name::text FROM user_role JOIN roles ON roles.id = user_role.role_id ",
            "WHERE user_role.user_id = users.id) FROM users WHERE username = $1"
        )
    };
}

/// A user with their roles.
pub(crate) fn user(email_verified: bool) -> &'static str {
    if email_verified { user!("email_verified") } else { user!("NULL::boolean") }
}

/// Who else has this email.
pub(crate) const EMAIL_OWNER: &str =
    "SELECT username::text FROM users WHERE email = $1 AND username <> $2 LIMIT 1";

/// Who else has an email that differs from this one by upper and lower case only.
pub(crate) const SIMILAR_EMAIL: &str = "SELECT username::text, email::text FROM users \
     WHERE lower(email) = lower($1) AND email <> $1 AND username <> $2 ORDER BY username COLLATE \"C\" LIMIT 1";

/// The names of all other users.
pub(crate) const OTHER_USERNAMES: &str = "SELECT username::text FROM users WHERE username <> $1";

macro_rules! insert_user {
    ($column:literal, $value:literal) => {
        concat!(
            "INSERT INTO users (username, email, password_hash, is_active, totp_secret, is_totp_enabled, ",
            "base_profession, additional_competencies, removed_competencies, professional_registrations, ",
            "system_permissions, fhir_patient_id",
            $column,
            ") VALUES ($1, $2, $3, true, NULL, false, $4, '[]', '[]', NULL, $5, NULL",
            $value,
            ") ON CONFLICT (username) DO NOTHING RETURNING id::bigint"
        )
    };
}

/// Makes a user, or nothing where somebody else just made one of this name. Names every column: which
/// of them have defaults differs between the generations.
pub(crate) fn insert_user(email_verified: bool) -> &'static str {
    if email_verified { insert_user!(", email_verified", ", true") } else { insert_user!("", "") }
}

macro_rules! promote_user {
    ($email_verified:literal) => {
        concat!(
            "UPDATE users SET email = $2, password_hash = $3, base_profession = $4, system_permissions = $5",
            $email_verified,
            " WHERE id = $1"
        )
    };
}

/// Makes an existing user a superadmin, and leaves alone what is not part of that.
pub(crate) fn promote_user(email_verified: bool) -> &'static str {
    if email_verified { promote_user!(", email_verified = true") } else { promote_user!("") }
}

/// Sets the permission level.
pub(crate) const SET_PERMISSION: &str = "UPDATE users SET system_permissions = $2 WHERE id = $1";

/// The id of a role.
pub(crate) const ROLE: &str = "SELECT id::bigint FROM roles WHERE name = $1";

/// The names of all roles.
pub(crate) const ROLES: &str = "SELECT name::text FROM roles";

/// Gives a user a role.
pub(crate) const GIVE_ROLE: &str =
    "INSERT INTO user_role (user_id, role_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// Takes a role from a user.
pub(crate) const TAKE_ROLE: &str = "DELETE FROM user_role WHERE user_id = $1 AND role_id = $2";

/// The number of this transaction.
pub(crate) const TRANSACTION_ID: &str = "SELECT txid_current_if_assigned()";

/// What became of a transaction.
pub(crate) const TRANSACTION_STATUS: &str = "SELECT txid_status($1)";
