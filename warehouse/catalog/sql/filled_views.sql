-- The views over files that read some.
select view_name from duckdb_views() where schema_name = 'lake' and contains(sql, '.parquet');
