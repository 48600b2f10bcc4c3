-- What the methods of a run score and cost, each at the most labels that it was fitted with, means over the data sets.
-- $run: key of the run
select model, method, shots, count(*) as datasets, avg(macro_f1) as macro_f1,
    avg(text_milliseconds) as text_milliseconds, avg(fit_seconds) as fit_seconds,
    avg(state_bytes) as state_bytes, avg(method_bytes) as method_bytes
from lake.costs
where run = $run
group by model, method, shots, shots_order
qualify row_number() over (partition by model, method order by shots_order desc) = 1
order by model, method;
