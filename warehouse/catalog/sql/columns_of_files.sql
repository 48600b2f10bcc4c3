-- The columns of the views over files; none before they are made.
select table_name, column_name, data_type
from duckdb_columns()
where schema_name = 'lake' and table_name in ('examples', 'states', 'layer_states', 'anchors', 'predictions', 'keys')
order by table_name, column_index;
