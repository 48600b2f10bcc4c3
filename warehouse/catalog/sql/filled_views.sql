-- The views over files that read some, and whether in place.
select view_name, contains(sql, $scheme) from duckdb_views() where schema_name = 'lake' and contains(sql, '.parquet');
