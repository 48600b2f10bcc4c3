-- The Parquet files of the large tables, in the order of their paths; of states the stored layers.
select p.kind, f.path, cast(p.facts->'$.layers' as varchar[]) as layers, p.facts->>'$.pooling' as pooling
from files f join partitions p on p.path = f.partition
where p.kind in ('examples', 'states', 'anchors', 'predictions') and f.path ~ '.*/part-[^/]*\.parquet'
order by p.kind, p.path, f.path;
