-- Costs of methods beside their scores: every fit of every run, with time and space from the facts of its partitions.

create or replace view lake.costs as
with fits as (
    select s.*, p.path as predictions
    from lake.scores s
    join lineage l on l.kind = 'metrics' and l.key = s.key and l.input_kind = 'predictions'
    join partitions p on p.kind = 'predictions' and p.key = l.input_key
), encoded as (
    -- Of the states or word scores of test texts that a fit reads; of prompts with demonstrations one partition a seed.
    select f.run, f.key, avg(1000 * (p.facts->>'$.seconds')::double / p.rows) as text_milliseconds,
        avg(p.bytes / p.rows) as state_bytes
    from fits f
    join lineage l on l.partition = f.predictions and l.input_kind in ('states', 'word_scores')
        and split_part(l.which, '@', 1) = 'test'
    join partitions p on p.path = l.input
    where p.rows > 0
    group by f.run, f.key
), weights as (
    select partition, sum(bytes)::bigint as method_bytes from files where path like '%.safetensors' group by partition
)
select f.run, f.latest, f.experiment, f.model, f.dataset, f.method, f.shots, f.shots_order, f.macro_f1, f.accuracy,
    e.text_milliseconds, f.fit_seconds, e.state_bytes, w.method_bytes
from fits f left join encoded e using (run, key) left join weights w on w.partition = f.predictions;

create or replace view costs as
select * exclude (run, latest)
from lake.costs
where latest
order by experiment, model, dataset, method, shots_order;
comment on view costs is 'Scores and costs of every fit of the latest runs. The time from a state to its prediction is not stored, nor that of adapters for a text.';
comment on column costs.accuracy is 'Accuracy, mean over the seeds.';
comment on column costs.text_milliseconds is 'Milliseconds in the model for a test text, on the machine that computed its states or word scores; NULL for adapters, and where the states were removed.';
comment on column costs.fit_seconds is 'Seconds to fit one seed, its temperature included; of methods that learn from texts, these are encoded before.';
comment on column costs.state_bytes is 'Bytes of the stored states of a test text, all layers, or of its word scores, compressed.';
comment on column costs.method_bytes is 'Bytes of what one seed learned, as it is stored.';
