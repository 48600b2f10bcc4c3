-- Every table of the catalog's file, with its schema.
select format('{}.{}', schema_name, table_name)
from duckdb_tables()
order by all;
