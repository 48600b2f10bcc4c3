-- Which layer separates the classes: test accuracy of the nearest class mean, by stored layer and pooling?
-- $dataset = null: data set card; null is every one
-- $model = null: model card; null is the one whose anchors were solved last
-- $per_class = 32: training examples of each class
-- $test = 100: test examples
with chosen as (
    select e.key, e.id, e.split, e.label
    from examples e
    where e.dataset = coalesce($dataset, e.dataset)
    qualify case e.split
        when 'train' then row_number() over (partition by e.key, e.split, e.label order by hash(e.id), e.id) <= $per_class
        when 'test' then row_number() over (partition by e.key, e.split order by hash(e.id), e.id) <= $test
    end
), labeled as (
    select s.dataset, s.layer, s.pooling, s.id, s.state, c.split, c.label
    from lake.newest_states s join chosen c on c.key = s.examples_key and c.id = s.id and c.split = s.split
    where s.model = lake.model_or_newest($model) and s.dataset = coalesce($dataset, s.dataset)
), parts as (
    select dataset, layer, pooling, label, unnest(state) as value, generate_subscripts(state, 1) as dimension
    from labeled
    where split = 'train'
), averages as (
    select dataset, layer, pooling, label, dimension, avg(value)::float as value
    from parts
    group by all
), centroids as (
    select dataset, layer, pooling, label, list(value order by dimension) as centroid
    from averages
    group by all
), classified as (
    select t.dataset, t.layer, t.pooling, t.id, any_value(t.label) as label,
        min_by(c.label, list_distance(t.state, c.centroid)) as predicted
    from labeled t join centroids c on c.dataset = t.dataset and c.layer = t.layer
        and c.pooling = t.pooling
    where t.split = 'test'
    group by t.dataset, t.layer, t.pooling, t.id
)
select dataset, layer, pooling, avg((predicted = label)::integer) as accuracy, count(*) as examples
from classified
group by dataset, layer, pooling
order by dataset, layer, pooling;
