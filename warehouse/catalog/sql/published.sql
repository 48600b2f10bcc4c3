-- Every file behind a view: its size, its checksum, and its stamp when it was last compared with that.
select f.path, f.bytes, f.sha256, v.written, v.inode
from files f join partitions p on p.path = f.partition left join state.verified v on v.path = f.path
where p.kind in ('examples', 'states', 'anchors', 'predictions') and f.path ~ '.*/part-[^/]*\.parquet'
order by f.path;
