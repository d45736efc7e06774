//! The statements that are the executor's own. Those of actions are the file's.

/// What the user may do in a schema, `$3`: of the privileges `$2` on the tables `$1` those that are lacking, and
/// whether the database takes changes at all, with the sequences behind columns of tables that rows are added to.
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

/// The number of this transaction.
pub(crate) const TRANSACTION_ID: &str = "SELECT txid_current_if_assigned()";

/// What became of a transaction.
pub(crate) const TRANSACTION_STATUS: &str = "SELECT txid_status($1)";
