-- One stored example of a data set's newest examples.
-- $dataset: the card
-- $id: the example
select e.fields, e.label_name
from examples e join datasets d on d.dataset = e.dataset and d.key = e.key
where e.dataset = $dataset and e.id = $id;
