//! A local stand-in for the parts of Google Cloud that run Cloud Run jobs.
