//! Projects: each has what Resource Manager says of one, also where nobody has described it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::names::{etag, part, project_number};
use crate::resource::defaults;

/// A project nobody has described.
pub(crate) fn new(name: &str) -> Value {
    let mut project = json!({});
    complete(name, &mut project);
    project
}

/// A project's own name has its number, also where it was asked for by its id.
pub(crate) fn complete(name: &str, project: &mut Value) {
    let id = part(name, "projects");
    let now = Timestamp::now();
    project["name"] = json!(format!("projects/{}", project_number(id)));
    project["projectId"] = json!(id);
    defaults(
        project,
        [
            ("state", json!("ACTIVE")),
            ("displayName", json!(id)),
            ("createTime", json!(now.to_string())),
            ("updateTime", json!(now.to_string())),
            ("etag", json!(etag(name, now))),
        ],
    );
}
