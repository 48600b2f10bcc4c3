-- The rows of an Arrow table, registered as `filling`, into a table of the catalog.
insert into {table} by name from filling;
