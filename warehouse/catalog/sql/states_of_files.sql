-- States as a view over files of this version and of the one before, whose column `truncated` was `shortened`.
(
    from {files}
    union all by name
    select null::boolean as truncated, null::boolean as shortened where false
)
