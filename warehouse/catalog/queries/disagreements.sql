-- Where do two methods disagree on test data, and which of them is right? Of each its first seed.
-- $experiment = null: experiment card; null is the one that was run last
-- $dataset = null: data set card; null is every one
-- $method = vocabulary_calibrator: the first method, with its variant
-- $shots = all: its labeled examples per class, a number or all
-- $other = linear_probe: the second method, with its variant
-- $other_shots = null: its labeled examples per class; null is as many as the first has
-- $k = 20: how many, the most certain first
with fits as materialized (
    select 'one' as side, predictions_key from best_fits($experiment, $dataset, $method, $shots)
    union all
    select 'other', predictions_key from best_fits($experiment, $dataset, $other, coalesce($other_shots, $shots))
), predicted as (
    -- Of both in one reading of the files.
    select f.side, p.model, p.dataset, p.id, p.examples_key, p.label, p.predicted, list_max(p.probabilities) as probability
    from predictions p join fits f on p.key = f.predictions_key
    where p.split = 'test'
    qualify p.seed = min(p.seed) over (partition by f.side, p.key)
), differing as (
    select a.model, a.dataset, a.id, a.examples_key, a.label, a.predicted, b.predicted as other_predicted,
        a.probability, b.probability as other_probability
    from predicted a join predicted b on b.model = a.model and b.dataset = a.dataset and b.id = a.id
    where a.side = 'one' and b.side = 'other' and a.predicted <> b.predicted
    order by a.probability + other_probability desc, a.dataset, a.id
    limit $k
)
select d.dataset, d.id, e.label_name as label, s.name as predicted, d.probability, o.name as other_predicted, d.other_probability,
    case d.label when d.predicted then $method when d.other_predicted then $other else 'neither' end as correct, e.text
from differing d
join examples e on e.key = d.examples_key and e.id = d.id
join labels s on s.dataset = d.dataset and s.label = d.predicted
join labels o on o.dataset = d.dataset and o.label = d.other_predicted
order by d.probability + d.other_probability desc, d.dataset, d.id;
