-- Predictions as a view over files of one label per text, of any number of them, and of numbers.
(
    from {files}
    union all by name
    select null::integer as label, null::integer as predicted, null::boolean[] as labels,
        null::boolean[] as predicted_labels, null::double as value, null::double as predicted_value,
        null::float[] as probabilities
    where false
)
