-- Which statements about the data did not hold when it was written?
-- $step = null: kind of partition; null is every one
-- $dataset = null: data set card; null is every one
select kind as step, model, dataset, name as statement, severity, detail, published, partition
from checks
where not passed and kind = coalesce($step, kind) and ($dataset is null or dataset = $dataset)
order by published, severity, step, model, dataset, statement;
