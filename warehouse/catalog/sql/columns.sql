-- Statements that comment the columns without a comment which mean the same in many tables and views.
with shared(name, comment) as (values
    ('beside_null', 'Whether the value is above, below or inside the interval of its null.'),
    ('card', 'Study card, with what was set.'),
    ('control', 'Whether the card has it as a control: reported, never champion.'),
    ('dataset', 'Data set card.'),
    ('examples_key', 'Key of the examples.'),
    ('experiment', 'Experiment card; - for metrics that no finished run lists.'),
    ('id', 'The example, of examples.id where examples.key is examples_key.'),
    ('latest', 'False for what is superseded: no experiment''s latest run goes back to it. Where no run knows its coordinates, true for their newest.'),
    ('layer', 'The layer''s number.'),
    ('macro_f1', 'Macro-F1 over the classes that occur in labels or predictions, mean over the seeds; NULL of choices.'),
    ('macro_f1_high', 'Upper end of its 95 % bootstrap interval over examples and seeds.'),
    ('macro_f1_low', 'Lower end of its 95 % bootstrap interval over examples and seeds.'),
    ('method', 'Method, with its variant.'),
    ('model', 'Model card.'),
    ('n_seeds', 'Number of seeds.'),
    ('pooling', 'last: the state of the last token; mean, weighted_mean (by position): over all; echo: mean of a second reading.'),
    ('row', 'Position in the partition.'),
    ('shots', 'Labeled examples per class: a number, or all.'),
    ('shots_order', 'Shots as a number to sort by: infinite for all, which comes last and is on no axis.'),
    ('split', 'train, validation or test.'),
    ('spread', 'Standard deviation over the seeds.'),
    ('study', 'Study, by its registered name.'),
    ('unlabeled', 'Whether training texts without labels do more for it than center and scale; NULL in runs of version 0.1.'),
    ('state', 'The hidden state at the pooled position.')
)
select format('comment on column {}.{} is ''{}''', c.table_name, c.column_name,
    replace(coalesce(s.comment, 'State of layer ' || replace(c.column_name[7:], '_', ', ') || '.'), '''', ''''''))
from duckdb_columns() c left join shared s on s.name = c.column_name
where c.schema_name = 'main' and c.comment is null and (s.name is not null or c.column_name ~ 'layer_\d+')
union all
-- Of the views of the studies: the comments of the table they are views of.
select format('comment on column {}.{} is ''{}''', v.table_name, v.column_name, replace(t.comment, '''', ''''''))
from duckdb_columns() v join duckdb_columns() t on t.table_name = 'study_values' and t.column_name = v.column_name
where v.schema_name = 'main' and v.table_name ~ 'study_.+' and v.comment is null and t.comment is not null;
