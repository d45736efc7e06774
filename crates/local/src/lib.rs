//! The local environment: the emulator and an embedded PostgreSQL in this process.
