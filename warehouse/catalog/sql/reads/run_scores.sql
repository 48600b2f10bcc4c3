-- The scores of one run on test data, one row a fit, the best macro-F1 of each data set first.
-- $run: key of the run
select *
from lake.scores
where run = $run
order by dataset, macro_f1 desc nulls last, method, shots_order, model;
