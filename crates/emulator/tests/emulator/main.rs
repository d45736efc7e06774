//! The emulator as its clients see it: one program, since each one compiles the clients anew.

mod common;
mod conformance;
mod deployments;
mod docker;
mod http;
mod permissions;
mod process;
mod scale;
mod storage;
mod surroundings;
mod tail;
