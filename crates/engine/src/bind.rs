//! The PostgreSQL types that values are sent as.

use quill_admin_actions::BindType;
use tokio_postgres::types::Type;

/// The PostgreSQL type of a value that a statement binds.
#[must_use]
pub const fn sql_type(kind: BindType) -> Type {
    match kind {
        BindType::Text => Type::TEXT,
        BindType::TextArray => Type::TEXT_ARRAY,
        BindType::Int8 => Type::INT8,
        BindType::Int8Array => Type::INT8_ARRAY,
        BindType::Bool => Type::BOOL,
        BindType::Date => Type::DATE,
        BindType::DateArray => Type::DATE_ARRAY,
    }
}
