-- What the lake holds.
select count(*), sum(rows), sum(bytes)
from partitions;
