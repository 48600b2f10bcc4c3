-- The fits of one run: in the order of `best_by_validation`; then those without a rank in it, best on test data first.
-- $run: key of the run
select s.model, s.dataset, s.method, s.shots, l.input_key as key, b.rank,
    coalesce(v.validation_macro_f1, v.validation_accuracy, v.validation_r2) as validation,
    coalesce(s.macro_f1, s.accuracy, s.r2) as test
from lake.scores s
join lineage l on l.kind = 'metrics' and l.key = s.key and l.input_kind = 'predictions'
left join lake.validated v on v.run = s.run and v.key = s.key
left join best_by_validation b on b.run = s.run and b.key = s.key
where s.run = $run
order by s.model, s.dataset, b.rank nulls last,
    lake.merit(s.macro_f1, s.accuracy, s.r2, s.nll, s.shots_order), s.method;
