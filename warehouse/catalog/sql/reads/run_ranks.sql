-- The average ranks of one run, where it has more than one data set to average over.
-- $run: key of the run
select *
from lake.ranks
where run = $run and datasets > 1
order by model, method, shots_order;
