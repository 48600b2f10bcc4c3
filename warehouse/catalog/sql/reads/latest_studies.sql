-- The latest figures of every study card, each card's in the order in which they were measured.
select * exclude (latest)
from lake.studied
order by study, card, model, unit, metric, variant, layer;
