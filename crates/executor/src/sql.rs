//! The executor's own SQL statements. Those of actions are in the file of actions.
//!
//! To add a statement: its constant here, whose documentation names its parameters.

/// The rights of the user in a schema, `$3`: the privileges `$2` on the tables `$1` that are lacking, and
/// whether the database accepts changes at all, including the sequences behind columns of tables that rows
/// are added to.
pub(crate) const RIGHTS: &str = "\
WITH wanted AS (SELECT name, privilege, to_regclass(format('%I.%I', $3, name)) AS oid
                  FROM unnest($1, $2) AS wanted (name, privilege)),
     lacking AS (SELECT name, privilege FROM wanted WHERE NOT has_table_privilege(oid, privilege))
SELECT current_database()::text,
       current_user::text,
       NOT pg_is_in_recovery()
       AND current_setting('default_transaction_read_only') = 'off'
       AND NOT EXISTS (
           SELECT FROM wanted
             JOIN pg_attrdef AS fallback ON fallback.adrelid = wanted.oid AND wanted.privilege = 'insert'
             JOIN pg_depend AS needs ON needs.classid = 'pg_attrdef'::regclass AND needs.objid = fallback.oid
              AND needs.refclassid = 'pg_class'::regclass
             JOIN pg_class AS sequence ON sequence.oid = needs.refobjid
            WHERE CASE WHEN sequence.relkind = 'S'
                       THEN NOT has_sequence_privilege(sequence.oid, 'USAGE, UPDATE') END),
       ARRAY(SELECT name FROM lacking ORDER BY name, privilege),
       ARRAY(SELECT privilege FROM lacking ORDER BY name, privilege)";

/// The tables that the names `$1` stand for, as the user's search path finds them; the statement itself does
/// not depend on the search path.
pub(crate) const TABLES_AS_FOUND: &str = "\
SELECT ARRAY(SELECT found FROM (
    SELECT pg_catalog.to_regclass(pg_catalog.quote_ident(name))::pg_catalog.oid AS found
      FROM pg_catalog.unnest($1) AS wanted (name)) AS looked_up
 WHERE found IS NOT NULL)";

/// The tables among `$1` that are not in the schema `$2`, with their own schemas.
pub(crate) const TABLES_ELSEWHERE: &str = "\
SELECT ARRAY(SELECT format('%I.%I', home.nspname, found.relname)
               FROM pg_class AS found JOIN pg_namespace AS home ON home.oid = found.relnamespace
              WHERE found.oid = ANY ($1) AND home.nspname::text <> $2
              ORDER BY 1)";

/// The number of this transaction.
pub(crate) const TRANSACTION_ID: &str = "SELECT txid_current_if_assigned()";

/// The status of a transaction.
pub(crate) const TRANSACTION_STATUS: &str = "SELECT txid_status($1)";
