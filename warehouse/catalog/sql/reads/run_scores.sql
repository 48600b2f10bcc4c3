-- The scores of one run on test data, one row a fit, the best macro-F1 of each data set first.
-- $run: key of the run
select s.*, v.validation_macro_f1
from lake.scores s left join lake.validated v using (run, model, dataset, method, shots, key)
where s.run = $run
order by s.dataset, s.macro_f1 desc nulls last, s.method, s.shots_order, s.model;
