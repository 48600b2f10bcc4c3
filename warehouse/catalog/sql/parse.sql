-- A statement as DuckDB's own parser reads it, in JSON.
-- $sql: the statement
select json_serialize_sql($sql);
