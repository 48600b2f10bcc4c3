-- MLflow's finished runs of a record in the lake, the newest first: tables `runs` and `tags` of its database.
select r.run_uuid
from runs r join tags t on t.run_uuid = r.run_uuid
where t.key = 'vocabsem.key' and t.value = ? and r.status = 'FINISHED'
order by r.start_time desc
