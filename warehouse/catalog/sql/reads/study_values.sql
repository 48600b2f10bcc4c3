-- The values of a study with their side of the null, in the order in which they were measured.
-- $key: of the study_values partition
select study, card, model, unit, metric, variant, layer, value, low, high, null_low, null_high,
    case when value > null_high then 'above' when value < null_low then 'below' else 'inside' end as beside_null,
    n, seed
from study_values
where key = $key
order by rowid;
