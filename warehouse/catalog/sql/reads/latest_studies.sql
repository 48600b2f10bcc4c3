-- The latest values of every study card, in the order of their names.
select * exclude (latest)
from lake.studied
order by study, card, model, unit, metric, variant, layer;
