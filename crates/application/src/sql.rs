//! SQL, as far as it has to be understood: where its placeholders are, what it begins with, which tables it
//! names and what its columns are called. Everything else is PostgreSQL's to judge, by PREPARE.

mod lexer;
mod outline;

pub(crate) use lexer::{Kind, Token, tokens};
pub(crate) use outline::{Outline, Verb};
