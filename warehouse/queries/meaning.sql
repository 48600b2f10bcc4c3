-- What does the model have in mind at each stored layer: the tokens whose anchors are nearest to an example's state?
-- $example = null: id of the example; null is the first for testing
-- $dataset = null: data set card; null is the one whose states were stored last
-- $model = null: model card; null is the one whose anchors were solved last
-- $k = 6: how many tokens
with origin as (
    select s.layer, s.state
    from lake.newest_states s
    where s.model = lake.asked_model($model) and s.dataset = lake.asked_dataset($dataset)
        and s.id = coalesce($example, lake.first_example(lake.asked_dataset($dataset)))
), vocabulary as (
    select a.token, a.anchor from anchors a join models m on m.model = a.model and m.key = a.key
    where a.model = lake.asked_model($model)
), nearest as (
    select o.layer, max_by(trim(v.token), list_cosine_similarity(v.anchor, o.state), $k) as tokens,
        max(list_cosine_similarity(v.anchor, o.state))::double as cosine
    from origin o, vocabulary v
    group by o.layer
)
select layer, array_to_string(tokens, ', ') as nearest, cosine
from nearest
order by layer;
