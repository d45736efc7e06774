//! The format of the executor's output.

use std::str::FromStr;

use super::variables::Variables;
use crate::value::{InvalidValue, Problem};
use crate::variable;

/// The format of the executor's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line, which Cloud Logging parses.
    Json,
    /// Plain lines for people.
    Text,
}

impl LogFormat {
    /// `ADMIN_LOG_FORMAT` decides; without it it is JSON in Cloud Run and text elsewhere. A value
    /// that is neither is [`Invocation::from_env`](crate::Invocation::from_env)'s to refuse.
    #[must_use]
    pub fn from_env(vars: &Variables) -> Self {
        match vars.parsed(&variable::ADMIN_LOG_FORMAT) {
            Ok(Some(format)) => format,
            _ if vars.in_cloud_run() => Self::Json,
            _ => Self::Text,
        }
    }
}

impl FromStr for LogFormat {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.trim() {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            given => {
                let allowed = ["json", "text"].map(str::to_owned).to_vec();
                let problem = Problem::NotOneOf { given: given.to_owned(), allowed };
                Err(InvalidValue::new("log format", problem))
            }
        }
    }
}
