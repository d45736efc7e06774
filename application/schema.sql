-- The application's tables, as its own migrations make them at their newest revision of 2026-08-22, as far as
-- actions use them. They make the database of the environment `local` and of tests, and nothing else: the
-- deployed databases are made and altered by the application.
--
-- To bring it up to date: apply the application's migrations to an empty database, dump it with
-- `pg_dump --schema-only --no-owner --no-privileges`, and take over the tables that actions.yaml names. Types,
-- NOT NULL, defaults and indexes matter: statements depend on them.

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

-- An index, and no constraint: both serve ON CONFLICT (username).
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
