-- Which class is taken for which: test predictions of one fit by true and predicted class?
-- $experiment = null: experiment card; null is the one that was run last
-- $dataset = null: data set card; null is every one
-- $method = null: method, with its variant; null is the best on each data set
-- $shots = null: labeled examples per class, a number or all; null is the best of them
with best as materialized (
    from best_fits($experiment, $dataset, $method, $shots)
), cells as (
    select b.model, b.dataset, b.method, b.shots, p.label, p.predicted, count(*) as examples
    from best b join predictions p on p.key = b.predictions_key
    where p.split = 'test'
    group by all
)
select c.dataset, c.model, c.method, c.shots, t.name as label, s.name as predicted, c.examples,
    c.examples / sum(c.examples) over (partition by c.dataset, c.model, c.label) as share
from cells c
join labels t on t.dataset = c.dataset and t.label = c.label
join labels s on s.dataset = c.dataset and s.label = c.predicted
order by c.dataset, c.model, c.label, c.examples desc, c.predicted;
