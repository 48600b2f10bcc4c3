-- The manifests of `fresh` are now in the catalog.
insert into state.sources by name
from fresh;
