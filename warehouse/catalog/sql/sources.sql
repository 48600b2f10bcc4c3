-- The manifests that the catalog's rows come from.
select partition, file, size, written
from state.sources;
