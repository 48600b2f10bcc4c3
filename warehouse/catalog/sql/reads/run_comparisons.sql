-- The paired comparisons of one run by what a data set is judged by: macro-F1, of choices accuracy.
-- $run: key of the run
select *
from lake.compared
where run = $run and metric in ('macro_f1', 'accuracy')
order by model, dataset, shots_order, question;
