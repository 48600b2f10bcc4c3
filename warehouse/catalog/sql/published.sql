-- Every published Parquet file and its size.
select path, bytes
from files
where path like '%.parquet';
