-- A view over a kind's Parquet files, in place of the empty one of lake.sql.
create or replace view lake.{name} as from {files};
