//! The application's backend, when it was given the admin image by mistake: it gets its own image back.
//!
//! [`candidate`] finds that image, or builds it; [`verdict`] judges the images of earlier revisions;
//! [`rollout`] gives the service its image and waits until it serves.
//!
//! **A typical change** is another kind of image to go back to: `candidate.rs` and `verdict.rs`.

pub mod candidate;
pub mod rollout;
pub mod verdict;
