-- Every view and macro with its definition, except views over files.
select lower(view_name) as name, regexp_replace(sql, '^CREATE.*? AS ', '', 's') as definition
from duckdb_views() where not internal and not (schema_name = 'lake' and contains(sql, '.parquet'))
union all
select lower(function_name), if(function_type = 'macro', 'select ', '') || macro_definition
from duckdb_functions() where not internal and function_type in ('macro', 'table_macro');
