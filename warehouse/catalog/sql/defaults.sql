-- Shared by the named queries in warehouse/catalog/queries: defaults of absent parameters, and the fits that they read.
-- A query of the predictions of some fits has these in a materialized CTE: DuckDB takes too many for those that a filter
-- leaves, and would else join all predictions with their keys before it looks at the fits.

create or replace macro lake.experiment_or_last(wanted) as
    coalesce(wanted, (select r.experiment from runs r order by r.created desc, r.key limit 1), '-');

create or replace macro lake.model_or_newest(wanted) as
    coalesce(wanted, (select p.model from partitions p where p.kind = 'anchors' order by p.created desc, p.key limit 1));

create or replace macro lake.dataset_or_newest(wanted) as
    coalesce(wanted, (select p.dataset from partitions p where p.kind = 'states' order by p.created desc, p.key limit 1));

create or replace macro lake.first_example(wanted) as (
    select min(e.id) from examples e join datasets d on d.dataset = e.dataset and d.key = e.key
    where e.dataset = wanted and e.split = 'test'
);

create or replace view lake.newest_states as
select s.*
from main.layer_states s semi join (
    select p.key
    from partitions p
    where p.kind = 'states'
    qualify row_number() over (partition by p.model, p.dataset, p.split order by p.created desc, p.key) = 1
) n on n.key = s.key;

create or replace view fits as
select s.experiment, s.model, s.dataset, s.method, s.shots, s.shots_order, s.n_seeds, s.macro_f1, s.accuracy, s.r2, s.nll,
    s.ece, s.key as metrics_key, l.input_key as predictions_key
from lake.scores s join lineage l on l.kind = 'metrics' and l.key = s.key and l.input_kind = 'predictions'
where s.latest;
comment on view fits is 'Every fit of the latest run of each experiment, with the predictions behind its score.';
comment on column fits.macro_f1 is 'Macro-F1 on test data, mean over the seeds; NULL of choices.';
comment on column fits.accuracy is 'Accuracy on test data, mean over the seeds.';
comment on column fits.r2 is 'R² of continuous targets on test data, mean over the seeds; NULL of others.';
comment on column fits.nll is 'Negative log-likelihood per example of test data, in nats.';
comment on column fits.ece is 'Expected calibration error on test data, 15 bins.';
comment on column fits.metrics_key is 'Key of the metrics partition.';
comment on column fits.predictions_key is 'Key of the predictions partition.';

create or replace macro best_fits(in_experiment, of_dataset := null, of_method := null, at_shots := null) as table
select f.*
from fits f
where f.experiment = lake.experiment_or_last(in_experiment) and f.dataset = coalesce(of_dataset, f.dataset)
    and f.method = coalesce(of_method, f.method) and f.shots = coalesce(at_shots, f.shots)
qualify row_number() over (
    partition by f.model, f.dataset
    order by lake.merit(f.macro_f1, f.accuracy, f.r2, f.nll, f.shots_order), f.method
) = 1;
comment on macro table best_fits is
    'For each model and data set of an experiment the fit with the highest macro-F1, of choices accuracy, of continuous targets r2, on test data, of those that match: from best_fits(''quickstart'', of_method := ''ridge'')';

create or replace view lake.known as
select 'experiment' as parameter, experiment as value from runs
union all select 'model', model from models
union all select 'dataset', dataset from datasets
union all select 'split', split from partitions where kind = 'states'
union all select unnest(['method', 'other', 'reference']), method from partitions where kind = 'predictions'
union all select unnest(['shots', 'other_shots']), shots from partitions where kind = 'predictions'
union all select 'step', kind from partitions
union all select 'token', token from anchors
union all select 'example', id from examples;
