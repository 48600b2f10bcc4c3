-- The lake's Parquet files as they are, one view a kind: empty here, replaced by view_of_files.sql where there are
-- files. Columns named by folders (model, dataset, split, …) come from the paths; key has the 12 digits of a path.

create schema if not exists lake;

create or replace view lake.keys as
select kind, left(key, 12) as short_key, key, examples_key, bool_or(latest) as latest
from partitions
group by all;

create or replace view lake.examples as
select unnest([]::struct(
    dataset varchar, id varchar, split varchar, label integer, label_name varchar, text varchar,
    fields map(varchar, varchar), labels boolean[], value double, key varchar, filename varchar, file_row_number bigint
)[], max_depth := 2);

create or replace view lake.states as
select unnest([]::struct(
    model varchar, dataset varchar, split varchar, id varchar, label integer, tokens integer, truncated boolean,
    shortened boolean, labels boolean[], value double,
    key varchar, filename varchar, file_row_number bigint
)[], max_depth := 2);

create or replace view lake.layer_states as
select unnest([]::struct(
    model varchar, dataset varchar, split varchar, id varchar, layer integer, pooling varchar, last boolean, state float[],
    key varchar
)[], max_depth := 2);

create or replace view lake.anchors as
select unnest([]::struct(
    model varchar, token_id integer, token varchar, leverage double, norm double, head_norm double, bias float,
    anchor float[], head float[], key varchar
)[], max_depth := 2);

create or replace view lake.predictions as
select unnest([]::struct(
    model varchar, dataset varchar, method varchar, shots varchar, split varchar, seed integer, id varchar,
    label integer, predicted integer, probabilities float[],
    labels boolean[], predicted_labels boolean[], value double, predicted_value double,
    key varchar, filename varchar, file_row_number bigint
)[], max_depth := 2);
