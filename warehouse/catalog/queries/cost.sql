-- What does each method score and cost: ms per text in the model, seconds per fit, bytes per text and learned?
-- $experiment = null: experiment card; null is the one that was run last
-- $dataset = null: data set card; null is the mean over every one
-- $shots = null: labeled examples per class, a number or all; null is every one
-- The time from a state to its prediction is not stored, nor that of adapters for a text: their milliseconds are null.
select model, method, shots, count(*) as datasets, avg(macro_f1) as macro_f1, avg(accuracy) as accuracy,
    avg(text_milliseconds) as text_milliseconds, avg(fit_seconds) as fit_seconds, avg(state_bytes) as state_bytes,
    avg(method_bytes) as method_bytes
from costs
where experiment = lake.experiment_or_last($experiment) and dataset = coalesce($dataset, dataset)
    and shots = coalesce($shots, shots)
group by model, method, shots, shots_order
order by model, shots_order, macro_f1 desc nulls last, accuracy desc nulls last, method;
