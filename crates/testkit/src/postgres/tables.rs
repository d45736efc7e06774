//! The tables of the Quill auth database, as two generations of the application's own migrations make them.
//! These are fixtures, which do not change when the application does.
//! The product itself makes tables from `application/schema.sql` only. Types, nullability, defaults and
//! indexes are the application's own, because statements depend on them: an INSERT that leaves a column to
//! its default works on one generation and fails on the other.

/// The six roles, in the order in which `application/seed.sql` has them.
pub const ROLES: [&str; 6] = [
    "System Administrator",
    "Clinical Administrator",
    "Clinician",
    "Clinical Support Staff",
    "Patient",
    "Patient Advocate",
];

/// The tables as the migrations of March 2026 make them, without rows.
///
/// `is_active` and `is_totp_enabled` are NOT NULL and have no default; the profession, the
/// permission level and the two competency lists are NOT NULL and have one.
pub const MARCH_2026: &str = "\
CREATE TABLE users (
    id serial PRIMARY KEY,
    username varchar(150) NOT NULL UNIQUE,
    email varchar(255) NOT NULL UNIQUE,
    password_hash varchar(255) NOT NULL,
    is_active boolean NOT NULL,
    totp_secret varchar(64),
    is_totp_enabled boolean NOT NULL,
    base_profession varchar(100) NOT NULL DEFAULT 'patient',
    additional_competencies json NOT NULL DEFAULT '[]',
    removed_competencies json NOT NULL DEFAULT '[]',
    professional_registrations json,
    system_permissions varchar(20) NOT NULL DEFAULT 'patient',
    fhir_patient_id varchar(255) UNIQUE
);
CREATE TABLE roles (
    id serial PRIMARY KEY,
    name varchar(64) NOT NULL UNIQUE
);
CREATE TABLE user_role (
    user_id integer NOT NULL REFERENCES users (id),
    role_id integer NOT NULL REFERENCES roles (id),
    PRIMARY KEY (user_id, role_id)
);
";

/// The tables as the migrations of August 2026 make them, without rows.
///
/// Three columns were added (`email_verified` decides whether a user can log in), and the defaults of the
/// profession, the permission level and the competency lists were removed. Usernames are kept unique by an
/// index, not by a constraint.
pub const AUGUST_2026: &str = "\
CREATE TABLE users (
    id serial PRIMARY KEY,
    username varchar(150) NOT NULL,
    email varchar(255) NOT NULL UNIQUE,
    password_hash varchar(255) NOT NULL,
    is_active boolean NOT NULL,
    totp_secret varchar(64),
    is_totp_enabled boolean NOT NULL,
    base_profession varchar(100) NOT NULL,
    additional_competencies json NOT NULL,
    removed_competencies json NOT NULL,
    professional_registrations json,
    system_permissions varchar(20) NOT NULL,
    fhir_patient_id varchar(255) UNIQUE,
    email_verified boolean NOT NULL DEFAULT false,
    full_name varchar(255),
    token_version integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX ix_users_username ON users (username);
CREATE TABLE roles (
    id serial PRIMARY KEY,
    name varchar(64) NOT NULL UNIQUE
);
CREATE TABLE user_role (
    user_id integer NOT NULL REFERENCES users (id),
    role_id integer NOT NULL REFERENCES roles (id),
    PRIMARY KEY (user_id, role_id)
);
";

/// Inserts the six [`ROLES`], as `quill-admin seed-roles` does: nothing in the application itself does that.
///
/// A database fresh from the migrations of August 2026 has no roles. Running this again changes nothing.
pub const SEED_ROLES: &str = "\
INSERT INTO roles (name) VALUES
    ('System Administrator'),
    ('Clinical Administrator'),
    ('Clinician'),
    ('Clinical Support Staff'),
    ('Patient'),
    ('Patient Advocate')
ON CONFLICT (name) DO NOTHING;
";

#[cfg(test)]
mod tests {
    use super::{ROLES, SEED_ROLES};

    #[test]
    fn the_seed_names_exactly_the_six_roles() {
        let seeded = SEED_ROLES.split('\'').skip(1).step_by(2);
        assert!(seeded.eq(ROLES));
    }
}
