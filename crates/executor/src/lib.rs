//! Runs one Quill admin task in one database transaction, inside the container.
