-- Examples as a view over files of one label per text, of any number of them, and of numbers.
(
    from {files}
    union all by name
    select null::integer as label, null::boolean[] as labels, null::double as value where false
)
