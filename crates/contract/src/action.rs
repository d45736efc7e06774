//! What can be asked for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::CONTRACT_VERSION;
use crate::names::{Actor, Email, PermissionLevel, Reason, RequestId, RoleName, Username};
use crate::proof::ProofKey;
use crate::secret::PasswordHash;
use crate::value::{InvalidValue, Problem};
use crate::variable::{self, Variable};

/// The name of an action, as in `ADMIN_ACTION` and on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionName {
    /// Creates a superadmin, or makes an existing user one.
    CreateSuperadmin,
    /// Sets a user's system permission level.
    UpdatePermissions,
    /// Gives a user a role.
    AddRole,
    /// Takes a role from a user.
    RemoveRole,
    /// Shows a user; changes nothing.
    ShowUser,
    /// Looks whether tasks could run here; changes nothing.
    Check,
}

impl ActionName {
    /// Every action, in the order documentation lists them.
    pub const ALL: [Self; 6] = [
        Self::CreateSuperadmin,
        Self::UpdatePermissions,
        Self::AddRole,
        Self::RemoveRole,
        Self::ShowUser,
        Self::Check,
    ];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateSuperadmin => "create-superadmin",
            Self::UpdatePermissions => "update-permissions",
            Self::AddRole => "add-role",
            Self::RemoveRole => "remove-role",
            Self::ShowUser => "show-user",
            Self::Check => "check",
        }
    }

    /// One line for documentation.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        match self {
            Self::CreateSuperadmin => {
                "creates a user with the superadmin level, the base profession consultant and the \
                 role System Administrator, or makes an existing user one"
            }
            Self::UpdatePermissions => "sets an existing user's system permission level",
            Self::AddRole => "gives an existing user a role",
            Self::RemoveRole => "takes a role from an existing user",
            Self::ShowUser => "shows a user's levels, roles and state; changes nothing",
            Self::Check => "connects and verifies schema, roles and TLS; changes nothing",
        }
    }

    /// Whether it may write to the database.
    #[must_use]
    pub const fn writes(self) -> bool {
        match self {
            Self::CreateSuperadmin | Self::UpdatePermissions | Self::AddRole | Self::RemoveRole => true,
            Self::ShowUser | Self::Check => false,
        }
    }

    /// The variables it needs besides the connection.
    #[must_use]
    pub fn variables(self) -> Vec<&'static Variable> {
        match self {
            Self::CreateSuperadmin => {
                vec![&variable::ADMIN_USERNAME, &variable::ADMIN_EMAIL, &variable::ADMIN_PASSWORD_HASH]
            }
            Self::UpdatePermissions => vec![&variable::ADMIN_USERNAME, &variable::ADMIN_PERMISSION],
            Self::AddRole | Self::RemoveRole => vec![&variable::ADMIN_USERNAME, &variable::ADMIN_ROLE],
            Self::ShowUser => vec![&variable::ADMIN_USERNAME],
            Self::Check => vec![],
        }
    }

    /// All names, separated by commas.
    #[must_use]
    pub fn list() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl FromStr for ActionName {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let text = text.trim();
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or_else(|| {
            let allowed = Self::ALL.map(|action| action.as_str().to_owned()).to_vec();
            InvalidValue::new("action", Problem::NotOneOf { given: text.to_owned(), allowed })
        })
    }
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One task, with everything it needs.
///
/// A plaintext password cannot be represented here: only its hash travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAction {
    /// See [`ActionName::CreateSuperadmin`].
    CreateSuperadmin {
        /// Login name; an existing user is matched by it exactly.
        username: Username,
        /// Email address, new or replaced.
        email: Email,
        /// Hash of the password, new or replaced.
        password_hash: PasswordHash,
    },
    /// See [`ActionName::UpdatePermissions`].
    UpdatePermissions {
        /// Whose.
        username: Username,
        /// The new level.
        permission: PermissionLevel,
    },
    /// See [`ActionName::AddRole`].
    AddRole {
        /// To whom.
        username: Username,
        /// Which role.
        role: RoleName,
    },
    /// See [`ActionName::RemoveRole`].
    RemoveRole {
        /// From whom.
        username: Username,
        /// Which role.
        role: RoleName,
    },
    /// See [`ActionName::ShowUser`].
    ShowUser {
        /// Whom.
        username: Username,
    },
    /// See [`ActionName::Check`].
    Check,
}

impl AdminAction {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> ActionName {
        match self {
            Self::CreateSuperadmin { .. } => ActionName::CreateSuperadmin,
            Self::UpdatePermissions { .. } => ActionName::UpdatePermissions,
            Self::AddRole { .. } => ActionName::AddRole,
            Self::RemoveRole { .. } => ActionName::RemoveRole,
            Self::ShowUser { .. } => ActionName::ShowUser,
            Self::Check => ActionName::Check,
        }
    }

    /// Whom it is about, if anybody.
    #[must_use]
    pub const fn username(&self) -> Option<&Username> {
        match self {
            Self::CreateSuperadmin { username, .. }
            | Self::UpdatePermissions { username, .. }
            | Self::AddRole { username, .. }
            | Self::RemoveRole { username, .. }
            | Self::ShowUser { username } => Some(username),
            Self::Check => None,
        }
    }
}

/// A task and who asked for it, why, and under which id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub action: AdminAction,
    /// The id of this request.
    pub id: Option<RequestId>,
    /// Who asked.
    pub actor: Option<Actor>,
    /// Why.
    pub reason: Option<Reason>,
    /// The contract version to speak: the newest that both sides know.
    pub contract: u32,
    /// What its result is to be proven with; not sent to an image that speaks version 1.
    pub proof_key: Option<ProofKey>,
}

impl Request {
    /// A request of this laptop's: with an id and a key of its own, in the newest version there is.
    #[must_use]
    pub fn new(action: AdminAction, actor: Option<Actor>, reason: Option<Reason>) -> Self {
        Self {
            action,
            id: Some(RequestId::new()),
            actor,
            reason,
            contract: CONTRACT_VERSION,
            proof_key: Some(ProofKey::generate()),
        }
    }

    /// The key, where it is sent: version 1 knows of none.
    #[must_use]
    pub fn sent_key(&self) -> Option<&ProofKey> {
        self.proof_key.as_ref().filter(|_| self.contract >= 2)
    }
}
