-- The latest run of an experiment.
-- $experiment: the card
select key, experiment, started, seconds, machine, git_commit, mlflow_run_id, facts->'$.card' as card
from runs
where experiment = $experiment and latest;
