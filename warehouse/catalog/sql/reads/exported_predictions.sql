-- Predictions of the latest run of an experiment, one example of one seed a row.
-- $experiment: the card
-- $model, $dataset, $method, $shots, $split: null is every one
select p.model, p.dataset, p.method, p.shots, p.split, p.seed, p.id, p.label, p.predicted,
    p.labels, p.predicted_labels, p.value, p.predicted_value, p.probabilities
from fits f join predictions p on p.key = f.predictions_key
where f.experiment = $experiment and f.model = coalesce($model, f.model) and f.dataset = coalesce($dataset, f.dataset)
    and f.method = coalesce($method, f.method) and f.shots = coalesce($shots, f.shots)
    and p.split = coalesce($split, p.split)
order by p.model, p.dataset, p.method, f.shots_order, p.seed, p.split, p.row;
