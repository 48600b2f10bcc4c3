-- Columns that depend on the whole lake, from the tables `nodes` and `inputs` of `index.resolved`.
update partitions
set latest = n.latest, examples_key = n.examples_key
from nodes n
where n.path = partitions.path
    and (partitions.latest <> n.latest or partitions.examples_key is distinct from n.examples_key);

update lineage
set input = i.input
from inputs i
where i.partition = lineage.partition and i.role = lineage.role and lineage.input is distinct from i.input;

update metrics
set latest = p.latest
from partitions p
where p.kind = 'metrics' and p.key = metrics.key and p.model = metrics.model and p.dataset = metrics.dataset
    and p.method = metrics.method and p.shots = metrics.shots and p.latest <> metrics.latest;

update comparisons
set question = 'baseline'
where question = 'rival'; -- as partitions have it

update comparisons
set latest = p.latest
from partitions p
where p.kind = 'comparisons' and p.key = comparisons.key and p.model = comparisons.model
    and p.dataset = comparisons.dataset and p.shots = comparisons.shots and p.latest <> comparisons.latest;

update diagnostics
set latest = p.latest
from partitions p
where p.kind = 'diagnostics' and p.key = diagnostics.key and p.model = diagnostics.model
    and p.dataset = diagnostics.dataset and p.latest <> diagnostics.latest;

update study_values
set latest = p.latest
from partitions p
where p.kind = 'study_values' and p.key = study_values.key and p.study = study_values.study
    and p.card = study_values.card and p.model = study_values.model and p.latest <> study_values.latest;

update study_items
set latest = p.latest
from partitions p
where p.kind = 'study_items' and p.key = study_items.key and p.study = study_items.study
    and p.card = study_items.card and p.model = study_items.model and p.latest <> study_items.latest;
