-- Which training examples are most similar to a test example: nearest by its last stored state?
-- $example = null: id of the example; null is the first for testing
-- $dataset = null: data set card; null is the one whose states were stored last
-- $model = null: model card; null is the one whose anchors were solved last
-- $k = 10: how many
select n.id, n.cosine, n.label_name as label, n.text
from nearest_examples(
    lake.model_or_newest($model), lake.dataset_or_newest($dataset),
    coalesce($example, lake.first_example(lake.dataset_or_newest($dataset))), $k, within := 'train'
) n
order by n.cosine desc, n.id;
