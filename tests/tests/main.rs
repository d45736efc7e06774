//! Journeys of the compiled programs. Each file is a chapter.

mod afterwards;
mod build;
mod endings;
mod following;
mod image;
mod input;
mod journeys;
mod local;
mod prompts;
mod restore;
mod running;
mod secrets;
mod sign_in;
