-- The fields of some training examples of a data set, always the same ones.
-- $dataset: the card
-- $count: how many at most
select e.fields
from examples e join datasets d on d.dataset = e.dataset and d.key = e.key
where e.dataset = $dataset and e.split = 'train'
order by md5(e.id)
limit $count;
