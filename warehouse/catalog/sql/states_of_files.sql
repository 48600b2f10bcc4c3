-- States as a view over files of this version and of the one before, which had no labels and called `truncated`
-- `shortened`; and of one label a text and of any number of them.
(
    from {files}
    union all by name
    select null::integer as label, null::boolean[] as labels, null::boolean as truncated,
        null::boolean as shortened
    where false
)
