-- Macro-F1 of a method minus that of the same method with random vectors, or none, in the anchors' place.
-- $run: key of the run; null is the latest of each experiment
-- $experiment, $dataset: the cards; null is every one
-- $first: the method whose rows, variants included, come first
select *
from lake.compared
where run = coalesce($run, run) and (latest or run = $run)
    and experiment = coalesce($experiment, experiment) and dataset = coalesce($dataset, dataset)
    and metric in ('macro_f1', 'r2') and split_part(question, ' over ', 2) in ('random', 'none')
order by dataset, model, experiment, shots_order, not starts_with(method, $first), method, question;
