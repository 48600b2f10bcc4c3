-- The lake's Parquet files as they lie, one view a kind: empty here, replaced by `catalog.rebuild` where there are
-- files. Columns named by folders (model, dataset, split, …) come from the paths; key has the 12 digits of a path.

create schema lake;

create view lake.keys as
select distinct kind, left(key, 12) as short_key, key, examples_key
from partitions;

create view lake.examples as
select
    ''::varchar as dataset, ''::varchar as id, ''::varchar as split, 0::integer as label, ''::varchar as label_name,
    ''::varchar as text, map([''::varchar], [''::varchar]) as fields,
    ''::varchar as key, ''::varchar as filename, 0::bigint as file_row_number
limit 0;

create view lake.states as
select
    ''::varchar as model, ''::varchar as dataset, ''::varchar as split, ''::varchar as id, 0::integer as tokens,
    false as shortened,
    ''::varchar as key, ''::varchar as filename, 0::bigint as file_row_number
limit 0;

create view lake.layer_states as
select
    ''::varchar as model, ''::varchar as dataset, ''::varchar as split, ''::varchar as id, 0::integer as layer,
    false as last, [0::float] as state,
    ''::varchar as key
limit 0;

create view lake.anchors as
select
    ''::varchar as model, 0::integer as token_id, ''::varchar as token, 0::double as leverage, 0::double as norm,
    0::double as head_norm, 0::float as bias, [0::float] as anchor, [0::float] as head,
    ''::varchar as key
limit 0;

create view lake.predictions as
select
    ''::varchar as model, ''::varchar as dataset, ''::varchar as method, ''::varchar as shots, ''::varchar as split,
    0::integer as seed, ''::varchar as id, 0::integer as label, 0::integer as predicted, [0::float] as probabilities,
    ''::varchar as key, ''::varchar as filename, 0::bigint as file_row_number
limit 0;
