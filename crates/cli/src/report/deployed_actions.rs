//! Reports about the actions of a deployed image: in the list of actions, and in the plan of a build.

use std::fmt::Write as _;

use quill_admin_actions::{Action, Actions};
use quill_admin_contract::image_actions::{ActionDigests, Has};
use quill_admin_operations::admin_image::deployed_actions::{
    Becomes, Deployed, ImageRevision, Own, Replaced,
};
use quill_admin_operations::config::Environment;
use serde_json::{Map, Value, json};

use super::field::field;
use super::paint::clean;

/// The actions of the image that an environment's job runs, together with one's own.
#[derive(Debug)]
pub struct DeployedActions<'a> {
    /// The environment.
    pub environment: &'a Environment,
    /// The actions and the revision of its image.
    pub deployed: Deployed,
    /// The revision of one's own actions.
    pub own: Own,
    /// The hints where they differ; empty where they do not.
    pub advice: Vec<String>,
}

impl DeployedActions<'_> {
    fn has(&self, action: &Action) -> Has {
        self.deployed.actions.has(&action.name, &action.digest())
    }

    /// The state of an action in the image, for a column of the list.
    pub(super) fn column(&self, action: &Action) -> &'static str {
        match self.has(action) {
            Has::Same => "same",
            Has::Another => "another",
            Has::None => "none",
            Has::NotKnown => "?",
        }
    }

    /// The actions that only the image has.
    fn only_there(&self, own: &Actions) -> Option<Vec<String>> {
        Some(self.deployed.actions.known()?.replaced_by(&ActionDigests::of(own)).removed)
    }

    /// The lines below the list.
    pub(super) fn below(&self, own: &Actions) -> String {
        let mut text = String::new();
        let mut line = |line: &str| {
            let _ = writeln!(text, "{}", clean(line));
        };
        let name = &self.environment.name;
        let unknown = own.iter().any(|action| self.has(action) == Has::NotKnown);
        if let Some(only) = self.only_there(own).filter(|only| !only.is_empty()) {
            line(&format!("\nonly the image of {name} has: {}", only.join(", ")));
        }
        if unknown {
            line(&format!("\n?: the image of {name} does not say which actions it has"));
        }
        if self.environment.builds_to_registry() {
            line(&format!("\nthe image of {name} is of {}, yours of {}", self.deployed.revision, self.own));
        }
        for advice in &self.advice {
            line(&format!(" next: {advice}"));
        }
        text
    }

    pub(super) fn of_action_json(&self, action: &Action) -> Value {
        json!(self.has(action).as_str())
    }

    /// The members of the document that concern the whole list.
    pub(super) fn json(&self, own: &Actions) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("environment".to_owned(), json!(self.environment.name));
        members.insert("image".to_owned(), revision(&self.deployed.revision));
        members.insert("only_deployed".to_owned(), json!(self.only_there(own)));
        members.insert("next".to_owned(), json!(self.advice));
        members
    }
}

fn revision(image: &ImageRevision) -> Value {
    let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
    json!({"revision": image.id, "committed": time(image.committed), "built": time(image.built)})
}

/// The effect of a build on the deployed actions, for its plan.
pub(super) fn replaced(replaced: &Replaced) -> String {
    let mut text = String::new();
    let differs = match &replaced.actions {
        Becomes::NotKnown => "the deployed image does not say which it has",
        Becomes::Undeclared => "these sources declare none in a file; the deployed image's are taken away",
        Becomes::Known(changes) if changes.is_empty() => "the same as deployed",
        Becomes::Known(_) => "other than deployed",
    };
    field(&mut text, "actions", differs);
    if let Some(changes) = replaced.changes() {
        for (what, names) in
            [("added", &changes.added), ("changed", &changes.changed), ("removed", &changes.removed)]
        {
            if !names.is_empty() {
                let _ = writeln!(text, "    {what}: {}", clean(&names.join(", ")));
            }
        }
    }
    for loses in &replaced.loses {
        field(&mut text, "is lost", loses);
    }
    text
}

pub(super) fn replaced_json(replaced: &Replaced) -> Value {
    let changes = replaced.changes();
    json!({
        "deployed_image": revision(&replaced.image),
        "added": changes.map(|changes| &changes.added),
        "changed": changes.map(|changes| &changes.changed),
        "removed": changes.map(|changes| &changes.removed),
        "is_lost": replaced.loses,
    })
}
