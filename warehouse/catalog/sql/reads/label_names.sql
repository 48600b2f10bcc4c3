-- The classes of a data set, in the order of their numbers.
-- $dataset: the card
select name
from labels
where dataset = $dataset
order by label;
