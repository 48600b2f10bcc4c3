-- What do the anchors add: gain in macro-F1 over the same method with other vectors in their place?
-- $experiment = null: experiment card; null is the one that was run last
-- $dataset = null: data set card; null is every one
select dataset, model, shots, method, vectors, over, difference, low, high,
    case when low > 0 then 'gain' when high < 0 then 'loss' else 'not significant' end as effect
from anchor_gains
where experiment = lake.experiment_or_last($experiment) and dataset = coalesce($dataset, dataset)
order by dataset, model, shots_order, method, vectors, over desc;
