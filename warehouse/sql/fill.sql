-- Tables that say in columns what the manifests' facts hold in JSON.

insert into models by name
with newest as (
    select *
    from partitions
    where kind = 'anchors'
    qualify row_number() over (partition by model order by created desc, key) = 1
)
select
    model,
    facts->>'$.card.description' as description,
    facts->>'$.card.source' as source,
    facts->>'$.card.licence' as licence,
    facts->>'$.card.citation' as citation,
    try_cast(facts->>'$.card.parameters' as bigint) as parameters,
    try_cast(facts->>'$.card.layers' as integer) as layers,
    try_cast(facts->>'$.card.hidden_size' as integer) as hidden_size,
    try_cast(facts->>'$.card.vocabulary_size' as integer) as vocabulary_size,
    facts->>'$.gauge' as gauge,
    try_cast(facts->>'$.condition' as double) as condition,
    try_cast(facts->>'$.rank' as integer) as rank,
    try_cast(facts->>'$.residual' as double) as residual,
    key
from (select distinct model from partitions where model is not null)
left join newest using (model)
order by model;

insert into datasets by name
select
    dataset,
    facts->>'$.description' as description,
    facts->>'$.licence' as licence,
    facts->>'$.citation' as citation,
    facts->'$.sources' as sources,
    facts->>'$.template' as template,
    json_array_length(facts, '$.classes') as classes,
    try_cast(facts->>'$.rows.train' as bigint) as train,
    try_cast(facts->>'$.rows.validation' as bigint) as validation,
    try_cast(facts->>'$.rows.test' as bigint) as test,
    facts,
    key
from partitions
where kind = 'examples'
qualify row_number() over (partition by dataset order by created desc, key) = 1
order by dataset;

insert into labels by name
select
    dataset,
    (class->>'$.label')::integer as label,
    class->>'$.name' as name,
    class->>'$.word' as word
from (select dataset, unnest((facts->'$.classes')::json[]) as class from datasets)
order by dataset, label;

insert into runs by name
select
    key,
    experiment,
    row_number() over (partition by experiment order by created desc, key) = 1 as latest,
    try_cast(facts->>'$.started' as timestamptz) as started,
    try_cast(facts->>'$.seconds' as double) as seconds,
    facts->>'$.machine' as machine,
    facts->>'$.git_commit' as git_commit,
    facts->>'$.mlflow_run_id' as mlflow_run_id,
    facts->>'$.prefect_flow_run_id' as prefect_flow_run_id,
    created,
    facts
from partitions
where kind = 'runs'
order by created;
