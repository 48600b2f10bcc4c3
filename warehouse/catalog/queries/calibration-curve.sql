-- Is a method calibrated: accuracy by confidence on test data, in 15 bins?
-- $experiment = null: experiment card; null is the one that was run last
-- $dataset = null: data set card; null is every one
-- $method = null: method, with its variant; null is the best on each data set
-- $shots = null: labeled examples per class, a number or all; null is the best of them
with best as materialized (
    from best_fits($experiment, $dataset, $method, $shots)
), predicted as (
    select b.model, b.dataset, b.method, b.shots, p.predicted = p.label as correct,
        list_max(p.probabilities)::double as confidence
    from best b join predictions p on p.key = b.predictions_key
    where p.split = 'test' and p.label is not null
)
select dataset, model, method, shots, least(floor(confidence * 15), 14)::integer as bin, count(*) as examples,
    avg(confidence) as confidence, avg(correct::integer) as accuracy,
    avg(confidence) - avg(correct::integer) as overconfidence
from predicted
group by all
order by dataset, model, bin;
