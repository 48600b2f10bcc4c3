-- Wins, ties and losses of each method of a run against one method, where it has more than one data set.
-- $run: key of the run
-- $reference: the method
select *
from lake.wins($run, $reference)
where datasets > 1
order by model, shots_order, method;
