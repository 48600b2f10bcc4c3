-- The values that a parameter can have, the most similar to a given one first.
-- $parameter: its name
-- $given: the value
select value
from (select distinct value from lake.known where parameter = $parameter)
order by value <> $given, jaro_winkler_similarity(value, $given) desc, value
limit 9;
