-- Every published partition and the keys of its inputs by role, for `index.Graph`.
select p.path, p.kind, p.key, epoch_us(p.created) as created,
    coalesce(list([l.input_kind, coalesce(l.which, ''), l.input_key]) filter (l.role is not null), []) as inputs
from partitions p left join lineage l on l.partition = p.path
group by all;
