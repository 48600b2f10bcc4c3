-- All rows that come from the manifests of `stale`.
begin;

delete from metrics m
using stale s, partitions p
where s.file = 'manifest.json' and p.path = s.partition and p.kind = 'metrics' and m.key = p.key
    and m.model = p.model and m.dataset = p.dataset and m.method = p.method and m.shots = p.shots;

delete from comparisons c
using stale s, partitions p
where s.file = 'manifest.json' and p.path = s.partition and p.kind = 'comparisons' and c.key = p.key
    and c.model = p.model and c.dataset = p.dataset and c.shots = p.shots;

delete from diagnostics d
using stale s, partitions p
where s.file = 'manifest.json' and p.path = s.partition and p.kind = 'diagnostics' and d.key = p.key
    and d.model = p.model and d.dataset = p.dataset;

delete from study_values v
using stale s, partitions p
where s.file = 'manifest.json' and p.path = s.partition and p.kind = 'study_values' and v.key = p.key
    and v.study = p.study and v.card = p.card and v.model = p.model;

delete from study_items i
using stale s, partitions p
where s.file = 'manifest.json' and p.path = s.partition and p.kind = 'study_items' and i.key = p.key
    and i.study = p.study and i.card = p.card and i.model = p.model;

delete from checks c
using stale s
where c.partition = s.partition and c.published = (s.file = 'manifest.json');

delete from lineage l
using stale s
where s.file = 'manifest.json' and l.partition = s.partition;

delete from state.verified v
using stale s, files f
where s.file = 'manifest.json' and f.partition = s.partition and v.path = f.path;

delete from files f
using stale s
where s.file = 'manifest.json' and f.partition = s.partition;

delete from partitions p
using stale s
where s.file = 'manifest.json' and p.path = s.partition;

delete from state.sources o
using stale s
where o.partition = s.partition and o.file = s.file;

commit;
