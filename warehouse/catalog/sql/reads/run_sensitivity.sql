-- What macro-F1 owes to templates, label words, orders and label noise, in one run.
-- $run: key of the run
select *
from lake.sensitivity
where run = $run
order by model, choice desc, method, shots_order, dataset;
