-- Which layer separates the classes: test accuracy of the nearest class mean, by stored layer and pooling?
-- $dataset = null: data set card; null is every one
-- $model = null: model card; null is the one whose anchors were solved last
-- $per_class = 32: training examples of each class
-- $test = 100: test examples
-- As the method `centroid`: each dimension is standardized by the training states, then the nearest mean is that of the
-- largest cosine. On states as they are, a few large dimensions would rule every distance.
with chosen as (
    select e.key, e.id, e.split, e.label
    from examples e
    where e.dataset = coalesce($dataset, e.dataset) and e.label is not null
    qualify case e.split
        when 'train' then row_number() over (partition by e.key, e.split, e.label order by hash(e.id), e.id) <= $per_class
        when 'test' then row_number() over (partition by e.key, e.split order by hash(e.id), e.id) <= $test
    end
), labeled as (
    select s.dataset, s.layer, s.pooling, s.id, s.state, c.split, c.label
    from lake.newest_states s join chosen c on c.key = s.examples_key and c.id = s.id and c.split = s.split
    where s.model = lake.model_or_newest($model) and s.dataset = coalesce($dataset, s.dataset)
), parts as (
    select dataset, layer, pooling, split, id, label, unnest(state)::double as value,
        generate_subscripts(state, 1) as dimension
    from labeled
), scales as (
    select dataset, layer, pooling, dimension, avg(value) as center,
        case when stddev_pop(value) <= 1e-6 * abs(avg(value)) then 1 else stddev_pop(value) end as scale
    from parts
    where split = 'train'
    group by all
), standardized as (
    select p.dataset, p.layer, p.pooling, p.split, p.id, p.label, p.dimension, (p.value - s.center) / s.scale as z
    from parts p join scales s on s.dataset = p.dataset and s.layer = p.layer and s.pooling = p.pooling
        and s.dimension = p.dimension
), averages as (
    select dataset, layer, pooling, label, dimension, avg(z) as z
    from standardized
    where split = 'train'
    group by all
), centroids as (
    select dataset, layer, pooling, label, list(z order by dimension) as z
    from averages
    group by all
), tested as (
    select dataset, layer, pooling, id, any_value(label) as label, list(z order by dimension) as z
    from standardized
    where split = 'test'
    group by dataset, layer, pooling, id
), classified as (
    select t.dataset, t.layer, t.pooling, t.id, any_value(t.label) as label,
        max_by(c.label, list_cosine_similarity(t.z, c.z)) as predicted
    from tested t join centroids c on c.dataset = t.dataset and c.layer = t.layer and c.pooling = t.pooling
    group by t.dataset, t.layer, t.pooling, t.id
)
select dataset, layer, pooling, avg((predicted = label)::integer) as accuracy, count(*) as examples
from classified
group by dataset, layer, pooling
order by dataset, layer, pooling;
