-- The values of some diagnostics partitions.
-- $keys: their keys
select * exclude (key, latest)
from diagnostics
where list_contains($keys, key);
