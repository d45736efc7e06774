//! Journeys of the compiled programs. Each file is a chapter.

mod actions;
mod afterwards;
mod believed;
mod build;
mod connections;
mod deployed;
mod doctor;
mod doctor_causes;
mod documents;
mod endings;
mod following;
mod guide;
mod image;
mod infra;
mod input;
mod journeys;
mod local;
mod output;
mod pinned;
mod prompts;
mod restore;
mod running;
mod secrets;
mod shell;
mod sign_in;
mod trust;
