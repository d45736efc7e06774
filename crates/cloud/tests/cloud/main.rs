//! The clients against the emulator: one program, since each one compiles them anew.

mod surroundings;
mod trust;
mod wire;
