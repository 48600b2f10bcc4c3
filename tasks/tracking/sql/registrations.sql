-- What a finished run of a record registered, as the tags that `Registration.tag` names: MLflow's tables `runs` and
-- `tags`; of several finished runs of one record the newest.
select found.value
from tags found
where found.key like 'vocabsem.registered.%' and found.run_uuid = (
    select r.run_uuid
    from runs r join tags t on t.run_uuid = r.run_uuid
    where t.key = 'vocabsem.key' and t.value = ? and r.status = 'FINISHED'
    order by r.start_time desc
    limit 1
)
order by found.key
