//! The words both sides of a Quill admin task speak: actions, variables, outcomes, exit codes.
