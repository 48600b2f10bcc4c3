-- What the partitions that a run goes back to hold and took, one row a kind.
-- $run: key of the run
with recursive used(kind, key) as (
    select 'runs', $run::varchar
    union
    select l.input_kind, l.input_key from used u join lineage l on l.kind = u.kind and l.key = u.key
)
select p.kind, count(*) as partitions, sum(p.rows)::bigint as rows, sum(p.bytes)::double / 1e6 as megabytes,
    sum((p.facts->>'$.tokens')::bigint) filter (p.kind in ('states', 'word_scores'))::bigint as tokens,
    sum(coalesce(p.facts->>'$.truncated', p.facts->>'$.shortened')::bigint)
        filter (p.kind in ('states', 'word_scores'))::bigint as truncated,
    sum(coalesce((p.facts->>'$.seconds')::double, list_sum((p.facts->>'$.seeds[*].fit_seconds')::double[]))) as seconds
from partitions p
where p.key in (select key from used)
group by p.kind;
