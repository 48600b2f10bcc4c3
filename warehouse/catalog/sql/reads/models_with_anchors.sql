-- The models whose anchors are published.
select distinct model
from partitions
where kind = 'anchors'
order by model;
