//! The tables of the Quill auth database, for the local playground and the tests.
