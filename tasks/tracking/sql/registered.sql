-- The versions of registered models by each of their aliases; of MLflow's tables `model_versions` and
-- `registered_model_aliases`. A version that was deleted keeps its row.
select v.name, cast(v.version as text), a.alias, v.source, coalesce(v.storage_location, v.source)
from model_versions v left join registered_model_aliases a on a.name = v.name and a.version = v.version
where v.current_stage <> 'Deleted_Internal'
order by v.name, v.version, a.alias
