//! The world tests run in: home, clock, emulator, PostgreSQL, planted secrets.
