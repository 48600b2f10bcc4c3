-- What does another labeled example bring: macro-F1 by labeled examples per class, and its gain over fewer?
-- $experiment = null: experiment card; null is the one that was run last
-- $dataset = null: data set card; null is every one
-- $method = null: method, with its variant; null is every one
select dataset, model, method, shots, macro_f1, macro_f1_low, macro_f1_high, gain
from label_efficiency
where experiment = lake.experiment_or_last($experiment) and dataset = coalesce($dataset, dataset)
    and method = coalesce($method, method)
order by dataset, model, method, shots_order;
