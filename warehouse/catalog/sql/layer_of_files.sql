-- One stored layer of some files of states, as a part of the view lake.layer_states. Columns carry their table's name:
-- DuckDB 2.0 takes bare ones for the parameters of a macro over the view.
select f.model, f.dataset, f.split, f.id, f.key, {layer} as layer, {last} as last, f.layer_{layer}::float[] as state
from {files} f
