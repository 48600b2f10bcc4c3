-- The lake's large tables, for people: full keys, rows in the order they were written.
-- What is computed stands in a select of its own over the files, below the join with the keys: DuckDB 2.0 orders the joins
-- of a query and of a view together only where the view selects bare columns. So a query that joins by key finds its keys
-- first, and reads only their files. Columns carry their table's name, as in layer_of_files.sql.

-- Row within a partition: the part's first row, from its name, and the row in the file.
create or replace macro lake.part_row(filename, file_row_number) as
    regexp_extract(filename, 'part-(\d+)[^/]*$', 1)::bigint + file_row_number;

create or replace view examples as
select r.dataset, r.split, r.id, r.label, r.label_name, r.text, r.fields, r.labels, r.value,
    r.row, k.key, k.latest
from (select f.*, lake.part_row(f.filename, f.file_row_number) as row from lake.examples f) r
join lake.keys k on k.kind = 'examples' and k.short_key = r.key;
comment on view examples is 'The texts: one example a row. A data set read with other limits has a key of its own.';
comment on column examples.id is 'Name of the example, unique within a key.';
comment on column examples.label is 'Its class as a number, from 0; NULL where texts have any number of labels, or numbers.';
comment on column examples.label_name is 'Its class; of any number of labels their names, empty for none; a number as text.';
comment on column examples.text is 'Its text, all fields joined by line breaks.';
comment on column examples.fields is 'Its fields, as the template names them.';
comment on column examples.labels is 'Whether it has each label, in the order of labels.label; NULL where texts have one.';
comment on column examples.value is 'Its number, where targets are continuous; else NULL.';
comment on column examples.row is 'Its position in the partition.';
comment on column examples.key is 'Key of the examples partition.';

create or replace view states as
select r.model, r.dataset, r.split, r.id,
    r.label, r.labels, r.value, r.tokens, r.truncated,
    r.* exclude (model, dataset, split, id, label, labels, value, tokens, truncated, key, row),
    r.row, k.key, k.examples_key, k.latest
from (
    select f.* exclude (truncated, shortened, filename, file_row_number),
        coalesce(f.truncated, f.shortened) as truncated, lake.part_row(f.filename, f.file_row_number) as row
    from lake.states f
) r
join lake.keys k on k.kind = 'states' and k.short_key = r.key;
comment on view states is 'Hidden states: one example a row, one column a stored layer.';
comment on column states.label is 'Class of the example; NULL where it has any number of labels, or a number, and in states of version 0.1.';
comment on column states.labels is 'Whether the example has each label, in the order of labels.label; NULL where it has one.';
comment on column states.value is 'Number of the example, where targets are continuous; else NULL.';
comment on column states.tokens is 'Length of the prompt.';
comment on column states.truncated is 'Whether the text was truncated to fit.';
comment on column states.key is 'Key of the states partition.';

create or replace view layer_states as
select r.model, r.dataset, r.split, r.id, r.layer, r.pooling, r.state, k.key, k.examples_key, k.latest
from lake.layer_states r join lake.keys k on k.kind = 'states' and k.short_key = r.key;
comment on view layer_states is 'Hidden states: one stored layer of one example a row.';
comment on column layer_states.key is 'Key of the states partition.';

create or replace view last_states as
select r.model, r.dataset, r.split, r.id, r.layer, r.pooling, r.state, k.key, k.examples_key, k.latest
from lake.layer_states r join lake.keys k on k.kind = 'states' and k.short_key = r.key
where r.last;
comment on view last_states is 'Hidden states of the last stored layer, whatever its number.';
comment on column last_states.key is 'Key of the states partition.';

create or replace view anchors as
select r.model, r.token_id, r.token, r.leverage, r.norm, r.head_norm, r.bias, r.anchor, r.head, k.key, k.latest
from lake.anchors r join lake.keys k on k.kind = 'anchors' and k.short_key = r.key;
comment on view anchors is 'Semantic anchors: one vocabulary token a row.';
comment on column anchors.token_id is 'The token''s number.';
comment on column anchors.token is 'The token as text; a leading space is part of it.';
comment on column anchors.leverage is 'Leverage of its head row: how far the head is from having others like it.';
comment on column anchors.norm is 'Length of its anchor.';
comment on column anchors.head_norm is 'Length of its head row.';
comment on column anchors.bias is 'Its bias in the head; 0 where the head has none.';
comment on column anchors.anchor is 'Its semantic anchor, its row of the head''s pseudo-inverse.';
comment on column anchors.head is 'Its row of the head.';
comment on column anchors.key is 'Key of the anchors partition.';

create or replace view predictions as
select r.model, r.dataset, r.method, r.shots, r.shots_order,
    r.split, r.seed, r.id, r.label, r.predicted, r.probabilities, r.labels, r.predicted_labels, r.value, r.predicted_value,
    r.row, k.key, k.examples_key, k.latest
from (
    select f.*, coalesce(try_cast(f.shots as double), 'inf'::double) as shots_order,
        lake.part_row(f.filename, f.file_row_number) as row
    from lake.predictions f
) r
join lake.keys k on k.kind = 'predictions' and k.short_key = r.key;
comment on view predictions is 'Predictions of every method: one example of one seed a row.';
comment on column predictions.split is 'validation or test.';
comment on column predictions.seed is 'Seed of the shots and the weights.';
comment on column predictions.label is 'Its class; NULL where texts have any number of labels, or numbers.';
comment on column predictions.predicted is 'The class with the highest probability; NULL where texts have any number of labels, or numbers.';
comment on column predictions.probabilities is 'Probability of each class, in the order of labels.label; of any number of labels each by itself; NULL where targets are continuous.';
comment on column predictions.labels is 'Whether it has each label, in the order of labels.label; NULL where texts have one.';
comment on column predictions.predicted_labels is 'Whether each label is predicted: its probability reaches its threshold; NULL where texts have one label.';
comment on column predictions.value is 'Its number, where targets are continuous; else NULL.';
comment on column predictions.predicted_value is 'The number predicted, where targets are continuous; else NULL.';
comment on column predictions.key is 'Key of the predictions partition.';
