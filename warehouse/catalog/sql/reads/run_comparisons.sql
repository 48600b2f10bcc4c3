-- The paired comparisons by macro-F1 of one run.
-- $run: key of the run
select *
from lake.compared
where run = $run and metric = 'macro_f1'
order by model, dataset, shots_order, question;
