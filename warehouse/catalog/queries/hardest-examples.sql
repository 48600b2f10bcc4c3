-- Which test examples do most fits get wrong, and what do they predict?
-- $experiment = null: experiment card; null is the one that was run last
-- $dataset = null: data set card; null is every one
-- $method = null: method, with its variant; null is every one
-- $shots = null: labeled examples per class, a number or all; null is every one
-- $k = 20: how many
with chosen as materialized (
    select f.predictions_key
    from fits f
    where f.experiment = lake.experiment_or_last($experiment) and f.dataset = coalesce($dataset, f.dataset)
        and f.method = coalesce($method, f.method) and f.shots = coalesce($shots, f.shots)
), predicted as (
    select p.dataset, p.id, p.examples_key, p.label, p.predicted, p.probabilities[p.label + 1] as probability
    from predictions p join chosen c on c.predictions_key = p.key
    where p.split = 'test' and p.label is not null
), hardest as (
    select dataset, id, examples_key, any_value(label) as label, count(*) as predictions,
        avg((predicted <> label)::integer) as wrong, avg(probability) as probability,
        mode(predicted) filter (predicted <> label) as commonest_error
    from predicted
    group by dataset, id, examples_key
    order by wrong desc, probability, dataset, id
    limit $k
)
select h.dataset, h.id, h.wrong, h.probability, h.predictions, e.label_name as label, l.name as commonest_error, e.text
from hardest h
join examples e on e.key = h.examples_key and e.id = h.id
left join labels l on l.dataset = h.dataset and l.label = h.commonest_error
order by h.wrong desc, h.probability, h.dataset, h.id;
