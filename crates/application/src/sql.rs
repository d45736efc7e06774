//! Reads SQL as far as needed: its placeholders, its first word, the tables that it names and the names of
//! its columns. PostgreSQL judges everything else, by PREPARE.

mod lexer;
mod outline;

pub(crate) use lexer::{Kind, Token, tokens};
pub(crate) use outline::{Outline, Verb};
