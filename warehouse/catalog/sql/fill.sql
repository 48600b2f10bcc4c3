-- Tables with the manifests' facts in columns.

create or replace table models as
with newest as (
    select *
    from partitions
    where kind = 'anchors'
    qualify row_number() over (partition by model order by created desc, key) = 1
)
select
    model,
    facts->>'$.card.description' as description,  -- Description.
    facts->>'$.card.source' as source,  -- Source of its weights.
    coalesce(facts->>'$.card.license', facts->>'$.card.licence') as license,  -- License of the weights.
    facts->>'$.card.citation' as citation,  -- Citation.
    try_cast(facts->>'$.card.parameters' as bigint) as parameters,  -- Number of weights.
    try_cast(facts->>'$.card.layers' as integer) as layers,  -- Number of layers; layer 0 is the embedding output.
    try_cast(facts->>'$.card.hidden_size' as integer) as hidden_size,  -- Length d of a state.
    try_cast(facts->>'$.card.vocabulary_size' as integer) as vocabulary_size,  -- Number V of tokens.
    replace(facts->>'$.gauge', 'centred', 'centered') as gauge,  -- Which of the heads with equal probabilities was inverted: raw, or centered.
    try_cast(facts->>'$.condition' as double) as condition,  -- Condition number of the head.
    try_cast(facts->>'$.rank' as integer) as rank,  -- Rank of the head.
    try_cast(facts->>'$.residual' as double) as residual,  -- Relative residual of the anchors: |WᵀW X − Wᵀ| / |Wᵀ|.
    key  -- Key of the newest anchors.
from (select distinct model from partitions where model is not null)
left join newest using (model)
order by model;
comment on table models is 'Every model in the lake, with the checks of its newest anchors.';

create or replace table datasets as
select
    dataset,
    facts->>'$.description' as description,  -- Description.
    coalesce(facts->>'$.license', facts->>'$.licence') as license,  -- License of the data.
    facts->>'$.citation' as citation,  -- Citation.
    facts->'$.sources' as sources,  -- Sources of its files, by split.
    facts->>'$.template' as template,  -- The prompt around a text.
    json_array_length(facts, '$.classes')::integer as classes,  -- Number C of classes.
    try_cast(facts->>'$.rows.train' as bigint) as train,  -- Training examples.
    try_cast(facts->>'$.rows.validation' as bigint) as validation,  -- Validation examples.
    try_cast(facts->>'$.rows.test' as bigint) as test,  -- Test examples.
    facts,  -- Rows read, duplicates removed, classes of each split.
    key  -- Key of the newest examples.
from partitions
where kind = 'examples'
qualify row_number() over (partition by dataset order by created desc, key) = 1
order by dataset;
comment on table datasets is 'Every data set in the lake, as its newest examples have it.';

create or replace table labels as
select
    dataset,
    (class->>'$.label')::integer as label,  -- The class as a number, from 0.
    class->>'$.name' as name,  -- The class in the data.
    class->>'$.word' as word  -- The label word that stands for it.
from (select dataset, unnest((facts->'$.classes')::json[]) as class from datasets)
order by dataset, label;
comment on table labels is 'The classes of every data set.';

create or replace table runs as
select
    key,  -- Key of the run.
    experiment,  -- Experiment card.
    latest,  -- Whether it is the newest of its experiment, the one that leaderboard shows.
    try_cast(facts->>'$.started' as timestamptz) as started,  -- When it began.
    try_cast(facts->>'$.seconds' as double) as seconds,  -- How long it took.
    facts->>'$.machine' as machine,  -- Where it ran, in words.
    facts->>'$.git_commit' as git_commit,  -- Commit of the code.
    facts->>'$.mlflow_run_id' as mlflow_run_id,  -- Its run in MLflow.
    facts->>'$.prefect_flow_run_id' as prefect_flow_run_id,  -- Its flow run in Prefect.
    try_cast(facts->>'$.protocol.version' as integer) as protocol,  -- Version of the protocol that its card was compared with (docs/protocol.md); NULL where there was none.
    facts->'$.protocol.deviations' as deviations,  -- Deviations of the card from the protocol: part, expected, given.
    created,  -- When it was recorded.
    facts  -- The experiment card whole and the rest of the record.
from partitions
where kind = 'runs'
order by created;
comment on table runs is 'Every finished run of an experiment; lineage lists its metrics.';
