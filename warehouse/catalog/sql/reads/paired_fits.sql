-- The fits of two runs side by side: of each its predictions and examples; null where only the other run has the fit.
-- $first, $second: keys of the runs
with fits as (
    select s.run, s.model, s.dataset, s.method, s.shots, s.shots_order, l.input_key as key, p.examples_key as examples
    from lake.scores s
    join lineage l on l.kind = 'metrics' and l.key = s.key and l.input_kind = 'predictions'
    join partitions p on p.kind = 'predictions' and p.key = l.input_key
    where s.run in ($first, $second)
)
select model, dataset, method, shots, a.key as first_key, b.key as second_key, a.examples as first_examples,
    b.examples as second_examples
from (select * from fits where run = $first) a
full join (select * from fits where run = $second) b using (model, dataset, method, shots, shots_order)
order by dataset, model, method, shots_order;
