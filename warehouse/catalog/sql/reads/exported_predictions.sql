-- Predictions of the latest run of an experiment, one example of one seed a row.
-- $experiment: the card
-- $model, $dataset, $method, $shots, $split: null is every one
with chosen as materialized (
    select f.predictions_key, f.shots_order
    from fits f
    where f.experiment = $experiment and f.model = coalesce($model, f.model)
        and f.dataset = coalesce($dataset, f.dataset) and f.method = coalesce($method, f.method)
        and f.shots = coalesce($shots, f.shots)
)
select p.model, p.dataset, p.method, p.shots, p.split, p.seed, p.id, p.label, p.predicted,
    p.labels, p.predicted_labels, p.value, p.predicted_value, p.probabilities
from chosen c join predictions p on p.key = c.predictions_key
where p.split = coalesce($split, p.split)
order by p.model, p.dataset, p.method, c.shots_order, p.seed, p.split, p.row;
