-- What is the vocabulary worth: macro-F1 gained over the same method with other vectors in the anchors' place?
-- $experiment = null: experiment card; null is the one that was run last
-- $dataset = null: data set card; null is every one
select dataset, model, shots, method, vectors, over, difference, low, high,
    case when low > 0 then 'helps' when high < 0 then 'harms' else 'cannot be told' end as verdict
from vocabulary_helps
where experiment = lake.asked($experiment) and dataset = coalesce($dataset, dataset)
order by dataset, model, shots_order, method, vectors, over desc;
