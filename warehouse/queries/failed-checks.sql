-- Which statements about the data did not hold when it was written?
-- $step = null: kind of partition; null is every one
-- $dataset = null: data set card; null is every one
select p.kind as step, p.model, p.dataset, c.name as statement, c.severity, c.detail as found, c.partition
from checks c join partitions p on p.path = c.partition
where not c.passed and p.kind = coalesce($step, p.kind) and ($dataset is null or p.dataset = $dataset)
order by c.severity, step, p.model, p.dataset, statement;
