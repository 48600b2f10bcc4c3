-- States as a view over files of this version and of the one before, which had no labels and called `truncated`
-- `shortened`; and of one label per text, of any number of them, and of numbers.
(
    from {files}
    union all by name
    select null::integer as label, null::boolean[] as labels, null::double as value, null::boolean as truncated,
        null::boolean as shortened
    where false
)
