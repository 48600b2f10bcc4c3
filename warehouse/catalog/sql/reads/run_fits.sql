-- The fits of one run with their macro-F1, the best on validation data first, on test data where there is none.
-- $run: key of the run
select p.model, p.dataset, p.method, p.shots, p.key,
    max(m.value) filter (m.split = 'validation') as validation, max(m.value) filter (m.split = 'test') as test
from lineage r
join metrics m on m.key = r.input_key and m.seed is null and m.metric = 'macro_f1'
join lineage l on l.kind = 'metrics' and l.key = r.input_key and l.input_kind = 'predictions'
join partitions p on p.kind = 'predictions' and p.key = l.input_key
where r.kind = 'runs' and r.key = $run and r.input_kind = 'metrics'
group by all
order by coalesce(validation, test) desc, p.method, p.shots;
