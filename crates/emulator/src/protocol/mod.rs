//! What the emulated APIs look like on the wire, generated from Google's own definitions.
//!
//! `../../definitions/` holds those. Of the methods in the tables of `../api/` are made: `google.schema`, the
//! messages of the HTTP methods in JSON, which [`crate::schema`] reads; and [`google`], the messages of the gRPC
//! method as protocol buffers. To add a method, add its row to the table, then run the tests once with
//! `INSTA_UPDATE=always`, which writes all of this; without it they compare.

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
