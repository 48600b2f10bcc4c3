-- The latest run of an experiment, or the runs whose keys begin so.
-- $given: the experiment, or the beginning of a key
select key, experiment, started, latest
from runs
where experiment = $given and latest or length($given) >= 4 and starts_with(key, $given)
order by experiment <> $given, started;
