-- The fields of a short test example of a data set, always the same one; one without an apostrophe comes first.
-- $dataset: the card
-- $length: characters that are enough
select e.fields
from examples e join datasets d on d.dataset = e.dataset and d.key = e.key
where e.dataset = $dataset and e.split = 'test'
order by contains(e.text, ''''), abs(length(e.text) - $length), e.id
limit 1;
