-- The records of the latest runs, in the order of their experiments; created in UTC.
select p.kind, concat_ws(', ', p.model, p.dataset, p.split) as what, p.key,
    make_timestamp(epoch_us(p.created)) as created, p.facts, p.payload, p.versions
from partitions p join runs r on p.kind = 'runs' and r.key = p.key
where r.latest
order by r.experiment;
