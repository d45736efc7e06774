//! The choice of the program that runs the tasks of the embedded environment.

/// A process of this machine, or the admin image in its Docker engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// The program itself, started once more.
    Process,
    /// The image that `build` has put into the Docker engine.
    Docker,
}
