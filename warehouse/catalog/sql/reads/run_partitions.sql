-- Every partition that a run goes back to, itself included; created in UTC.
-- $run: key of the run
with recursive used(kind, key) as (
    select 'runs', $run::varchar
    union
    select l.input_kind, l.input_key from used u join lineage l on l.kind = u.kind and l.key = u.key
)
select p.kind, concat_ws(', ', p.model, p.dataset, p.split) as what, p.key,
    make_timestamp(epoch_us(p.created)) as created, p.facts, p.payload, p.versions
from partitions p
where p.key in (select key from used)
order by p.kind, what, p.key;
