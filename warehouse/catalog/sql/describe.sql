-- Public tables, views and macros, each with its columns in order; those of a macro are its parameters.
with relations as (
    select table_name as name, 'table' as kind, comment
    from duckdb_tables()
    where database_name = 'warehouse' and schema_name = 'main'
    union all
    select view_name, 'view', comment
    from duckdb_views()
    where database_name = 'warehouse' and schema_name = 'main' and not internal
), described as (
    select r.name, r.kind, r.comment, c.column_index as place, c.column_name, c.data_type, c.comment as column_comment
    from relations r
    join duckdb_columns() c
        on c.database_name = 'warehouse' and c.schema_name = 'main' and c.table_name = r.name
    union all
    select function_name, 'macro', comment, generate_subscripts(parameters, 1), unnest(parameters), '', ''
    from duckdb_functions()
    where database_name = 'warehouse' and schema_name = 'main' and function_type = 'table_macro' and not internal
)
select name, kind, coalesce(comment, ''), column_name, data_type, coalesce(column_comment, '')
from described
order by name, place;
