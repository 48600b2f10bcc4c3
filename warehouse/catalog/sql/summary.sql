-- Contents of the lake.
select count(*), sum(rows), sum(bytes)
from partitions;
