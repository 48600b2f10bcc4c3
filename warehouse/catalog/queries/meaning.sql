-- Which tokens' anchors are nearest to an example's state, at each stored layer?
-- $example = null: id of the example; null is the first for testing
-- $dataset = null: data set card; null is the one whose states were stored last
-- $model = null: model card; null is the one whose anchors were solved last
-- $k = 6: how many tokens
-- The mean of the layer's test states (of 100) is subtracted first: it is what all prompts share.
with chosen as (
    select e.key, e.id
    from examples e
    where e.dataset = lake.dataset_or_newest($dataset) and e.split = 'test'
    order by hash(e.id), e.id
    limit 100
), layers as (
    select s.layer, s.pooling, s.examples_key, s.id, s.state
    from lake.newest_states s
    where s.model = lake.model_or_newest($model) and s.dataset = lake.dataset_or_newest($dataset)
), common as (
    select layer, pooling, dimension, avg(value) as value
    from (
        select l.layer, l.pooling, unnest(l.state) as value, generate_subscripts(l.state, 1) as dimension
        from layers l join chosen c on c.key = l.examples_key and c.id = l.id
    )
    group by layer, pooling, dimension
), origin as (
    select layer, pooling, unnest(state) as value, generate_subscripts(state, 1) as dimension
    from layers
    where id = coalesce($example, lake.first_example(lake.dataset_or_newest($dataset)))
), centered as (
    select o.layer, o.pooling, list((o.value - c.value)::float order by o.dimension) as state
    from origin o join common c on c.layer = o.layer and c.pooling = o.pooling and c.dimension = o.dimension
    group by o.layer, o.pooling
), vocabulary as (
    select a.token, a.anchor
    from anchors a join models m on m.model = a.model and m.key = a.key
    where a.model = lake.model_or_newest($model)
), nearest as (
    select c.layer, c.pooling, max_by(trim(v.token), list_cosine_similarity(v.anchor, c.state), $k) as tokens,
        max(list_cosine_similarity(v.anchor, c.state))::double as cosine
    from centered c, vocabulary v
    group by c.layer, c.pooling
)
select layer, pooling, array_to_string(tokens, ', ') as nearest, cosine
from nearest
order by layer, pooling;
