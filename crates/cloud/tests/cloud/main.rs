//! The clients against the emulator. This is one program, because each one compiles the clients anew.

mod surroundings;
mod trust;
mod wire;
