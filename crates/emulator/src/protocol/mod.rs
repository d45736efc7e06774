//! The wire format of the emulated APIs, generated from Google's own definitions in `../../definitions/`.
//!
//! Two things are generated from the methods in the tables of `../api/`: `google.schema`, the messages of the HTTP
//! methods in JSON, which [`crate::schema`] reads; and [`google`], the messages of the gRPC method as protocol
//! buffers.
//!
//! To add a method: its row in the table, then one run of the tests with `INSTA_UPDATE=always`, which writes all of
//! this. Without that variable the tests compare.

/// The messages of the gRPC method, in modules named as their packages.
pub(crate) use generated::google;

#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
mod generated {
    include!("google.rs");
}

/// The messages of the HTTP methods; its head describes the form.
pub(crate) const SCHEMA: &str = include_str!("google.schema");

#[cfg(test)]
mod generate;
