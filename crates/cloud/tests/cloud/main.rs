//! The clients against the emulator. This is one program, because each one compiles the clients anew.

#![cfg(unix)]

mod surroundings;
mod trust;
mod wire;
