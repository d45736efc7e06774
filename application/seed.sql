-- What the database of the environment `local` holds at first. A deployed database that is new holds no roles:
-- `quill-admin seed-roles` puts these there.

INSERT INTO roles (name) VALUES
    ('System Administrator'),
    ('Clinical Administrator'),
    ('Clinician'),
    ('Clinical Support Staff'),
    ('Patient'),
    ('Patient Advocate')
ON CONFLICT (name) DO NOTHING;
