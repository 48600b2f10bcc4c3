-- The scores of one run on test data, one row a fit, the best of each data set first; rank among those of its model.
-- $run: key of the run
select s.*, v.validation_macro_f1, v.validation_accuracy, v.validation_r2,
    row_number() over (
        partition by s.model, s.dataset
        order by lake.merit(s.macro_f1, s.accuracy, s.r2, s.nll, s.shots_order), s.method
    ) as rank
from lake.scores s left join lake.validated v using (run, model, dataset, method, shots, key)
where s.run = $run
order by s.dataset, lake.merit(s.macro_f1, s.accuracy, s.r2, s.nll, s.shots_order), s.method, s.model;
