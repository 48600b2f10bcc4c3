-- Where does a score come from: every partition, file and source behind it, down to the hashes of the bytes?
-- $experiment = null: experiment card; null is the one that was run last
-- $dataset = null: data set card; null is the one with the best score
-- $method = null: method, with its variant; null is the best
-- $shots = null: labeled examples per class, a number or all; null is the best of them
with recursive walk as (
    select 0 as depth, p.path
    from (from best_fits($experiment, $dataset, $method, $shots) order by coalesce(macro_f1, accuracy, r2) desc, dataset, model limit 1) b
    join partitions p on p.kind = 'metrics' and p.key = b.metrics_key
    union
    select w.depth + 1, l.input from walk w join lineage l on l.partition = w.path where l.input is not null
), behind as (
    select max(w.depth) as depth, p.* from walk w join partitions p on p.path = w.path group by all
), found as (
    select b.depth, b.kind as step, f.path, f.rows, f.bytes, f.sha256
    from behind b join files f on f.partition = b.path
    union all
    select b.depth + 1, 'source', b.facts->'$.sources'->>split, null, null, b.payload->'$.hashes'->>split
    from (select *, unnest(json_keys(payload, '$.hashes')) as split from behind where kind = 'examples') b
    union all
    select distinct b.depth + 1, 'source', m.source, null, null, b.payload->>'$.model'
    from behind b join models m on m.model = b.model
    where b.kind in ('states', 'anchors')
)
select depth, step, path, rows, bytes, sha256 from found order by depth, step, path;
