-- Are the states of a layer isotropic: mean cosine between two test states, 0 if they are?
-- $dataset = null: data set card; null is every one
-- $model = null: model card; null is the one whose anchors were solved last
-- $k = 100: test states of each layer that are compared
with chosen as (
    select e.key, e.id
    from examples e
    where e.dataset = coalesce($dataset, e.dataset) and e.split = 'test'
    qualify row_number() over (partition by e.key order by hash(e.id), e.id) <= $k
), drawn as (
    select s.dataset, s.layer, s.pooling, s.id, s.state, sqrt(list_inner_product(s.state, s.state)) as norm
    from lake.newest_states s join chosen c on c.key = s.examples_key and c.id = s.id
    where s.model = lake.model_or_newest($model) and s.dataset = coalesce($dataset, s.dataset) and s.split = 'test'
), pairs as (
    select a.dataset, a.layer, a.pooling, list_cosine_similarity(a.state, b.state)::double as cosine
    from drawn a join drawn b on b.dataset = a.dataset and b.layer = a.layer and b.pooling = a.pooling
        and b.id > a.id
)
select p.dataset, p.layer, p.pooling, avg(p.cosine) as mean_cosine, max(p.cosine) as largest_cosine,
    any_value(n.norm) as mean_norm, any_value(n.states) as states
from pairs p
join (select dataset, layer, pooling, avg(norm) as norm, count(*) as states from drawn group by all) n
    on n.dataset = p.dataset and n.layer = p.layer and n.pooling = p.pooling
group by p.dataset, p.layer, p.pooling
order by p.dataset, p.layer, p.pooling;
