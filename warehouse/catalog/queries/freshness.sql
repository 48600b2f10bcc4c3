-- How old is what the latest run of each experiment shows, and is all of it still there?
-- $experiment = null: experiment card; null is every one
with recursive walk as (
    select r.experiment, p.path
    from runs r join partitions p on p.kind = 'runs' and p.key = r.key
    where r.latest and r.experiment = coalesce($experiment, r.experiment)
    union
    select w.experiment, l.input from walk w join lineage l on l.partition = w.path where l.input is not null
), behind as (
    select w.experiment, count(*) as partitions, min(p.created) as oldest, max(p.created) as newest
    from walk w join partitions p on p.path = w.path
    group by w.experiment
), missing as (
    select w.experiment, count(*) as missing
    from walk w join lineage l on l.partition = w.path
    where l.input is null
    group by w.experiment
)
select b.experiment, round(epoch(now() - b.newest) / 3600, 2) as hours_old, b.newest, b.oldest, b.partitions,
    coalesce(m.missing, 0) as missing_inputs,
    (select count(*) from runs r where r.experiment = b.experiment) as runs
from behind b left join missing m on m.experiment = b.experiment
order by b.newest desc, b.experiment;
