//! Journeys of the compiled programs. Each file is a chapter.

mod endings;
mod input;
mod journeys;
mod local;
mod prompts;
mod secrets;
