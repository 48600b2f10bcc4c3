-- The Parquet files of the large tables, in the order of their paths, as they were published; of states the stored layers.
select p.kind, f.path, cast(p.facts->'$.layers' as varchar[]) as layers, p.facts->>'$.pooling' as pooling,
    f.rows, f.bytes, f.sha256, f.footer
from files f join partitions p on p.path = f.partition
where p.kind in ('examples', 'states', 'anchors', 'predictions') and f.path ~ '.*/part-[^/]*\.parquet'
order by p.kind, p.path, f.path;
