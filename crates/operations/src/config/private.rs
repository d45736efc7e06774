//! Makes folders and files that only the person may read, and the settings file, which others may.
//!
//! On Windows a new file has the access rights of its folder. Those of a person's profile let in the person, the
//! system and administrators; they are not changed and not looked at.

use std::fs::{DirBuilder, OpenOptions};

#[cfg(unix)]
mod sys {
    use std::fs::Permissions;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};

    use super::{DirBuilder, OpenOptions};

    pub(in super::super) fn folder(builder: &mut DirBuilder) {
        builder.mode(0o700);
    }

    pub(in super::super) fn file(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    pub(in super::super) fn readable(builder: &mut tempfile::Builder<'_, '_>) {
        builder.permissions(Permissions::from_mode(0o644));
    }
}

#[cfg(windows)]
mod sys {
    use super::{DirBuilder, OpenOptions};

    pub(in super::super) fn folder(_: &mut DirBuilder) {}

    pub(in super::super) fn file(_: &mut OpenOptions) {}

    pub(in super::super) fn readable(_: &mut tempfile::Builder<'_, '_>) {}
}

pub(super) use sys::{file, folder, readable};
