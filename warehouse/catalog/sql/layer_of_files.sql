-- One stored layer of some files of states, as a part of the view lake.layer_states. Columns carry their table's name:
-- DuckDB 2.0 takes bare ones for the parameters of a macro over the view.
select f.model, f.dataset, f.split, f.id, f.key, {number} as layer, '{pooling}' as pooling, {last} as last,
    f.{column}::float[] as state
from {files} f
