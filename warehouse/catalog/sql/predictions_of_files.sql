-- Predictions as a view over files of one label a text and of any number of them.
(
    from {files}
    union all by name
    select null::integer as label, null::integer as predicted, null::boolean[] as labels,
        null::boolean[] as predicted_labels
    where false
)
