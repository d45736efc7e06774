//! The actions that this program was built with: `application/` of its own sources, compiled.

use std::sync::LazyLock;

use quill_admin_actions::{Action, Actions, SubjectWords};

static BUILT_IN: LazyLock<Actions> = LazyLock::new(|| {
    let compiled = include_bytes!(concat!(env!("OUT_DIR"), "/actions.json"));
    Actions::read(compiled).expect("the build script wrote it")
});

/// The action of this name, where this program knows it.
#[must_use]
pub fn known(name: &str) -> Option<&'static Action> {
    BUILT_IN.get(name)
}

/// What is said of subjects of this kind by the action of this name.
#[must_use]
pub fn subject_words(action: Option<&str>, kind: &str) -> Option<&'static SubjectWords> {
    let action = known(action?)?;
    action.definition.subject.as_ref().filter(|subject| subject.name == kind)?;
    action.words.subject.as_ref()
}
