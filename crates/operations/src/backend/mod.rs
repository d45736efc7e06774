//! The application's backend, which has been given the admin image by mistake: it gets its own image back.
//!
//! [`candidate`] finds the image, or builds it; [`verdict`] judges what a revision has run; [`rollout`] gives the service
//! its image and waits until it serves. **A typical change** is another kind of image to go back to: `candidate.rs` and
//! `verdict.rs`.

pub mod candidate;
pub mod rollout;
pub mod verdict;
