-- The experiments that have a finished run.
select distinct experiment
from runs
order by experiment;
