-- States of one layer of the newest states of a data set, with the examples' classes and texts.
-- $model, $dataset: the cards
-- $split: train, validation or test; null is every one
-- $layer: its number; null is the last one stored
-- $pooling: last, mean, weighted_mean or echo; null is the first of these that is stored
select s.model, s.dataset, s.split, s.layer, s.pooling, s.id, e.label, e.label_name, e.text, s.state
from lake.newest_states s
join examples e on e.dataset = s.dataset and e.key = s.examples_key and e.split = s.split and e.id = s.id
where s.model = $model and s.dataset = $dataset and s.split = coalesce($split, s.split)
    and s.layer = coalesce($layer, (
        select max(l.layer) from lake.newest_states l where l.model = $model and l.dataset = $dataset
    ))
    and s.pooling = coalesce($pooling, (
        select l.pooling from lake.newest_states l where l.model = $model and l.dataset = $dataset
        order by list_position(['last', 'mean', 'weighted_mean', 'echo'], l.pooling) limit 1
    ))
order by s.split, e.row;
