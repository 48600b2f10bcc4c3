-- The latest run of an experiment, or the runs whose keys begin so.
-- $name: the experiment, or the beginning of a key
select key, experiment, started, latest
from runs
where experiment = $name and latest or length($name) >= 4 and starts_with(key, $name)
order by experiment <> $name, started;
