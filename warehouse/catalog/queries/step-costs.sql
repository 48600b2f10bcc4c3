-- What did each step cost: partitions, rows, tokens, seconds and bytes?
-- $step = null: kind of partition; null is every one
-- $dataset = null: data set card; null is every one
select kind as step, model, dataset, count(*) as partitions, sum(rows)::bigint as rows,
    sum((facts->>'$.tokens')::bigint)
        filter (kind in ('states', 'token_states', 'head_outputs', 'word_scores'))::bigint as tokens,
    sum(case
        when kind = 'predictions' then list_sum(json_extract(facts, '$.seeds[*].fit_seconds')::double[])
        else (facts->>'$.seconds')::double
    end) as seconds,
    sum(bytes)::bigint as bytes
from partitions
where kind = coalesce($step, kind) and ($dataset is null or dataset = $dataset)
group by kind, model, dataset
order by bytes desc, step, model, dataset;
