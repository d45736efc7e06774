//! Containers of the local Docker engine.
