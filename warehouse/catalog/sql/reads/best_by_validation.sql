-- The fits of one run in the order of macro-F1, of choices accuracy, on validation data, controls aside.
-- $run: key of the run
select *
from best_by_validation
where run = $run
order by dataset, model, rank;
