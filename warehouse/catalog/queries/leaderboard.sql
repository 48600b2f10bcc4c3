-- How good is each method on test data, best first in each data set?
-- $experiment = null: experiment card; null is the one that was run last
-- $dataset = null: data set card; null is every one
-- $shots = null: labeled examples per class, a number or all; null is every one
select dataset, model, method, shots, n_seeds, macro_f1, macro_f1_low, macro_f1_high, accuracy, accuracy_low,
    accuracy_high, nll, ece, fit_seconds, control, unlabeled
from leaderboard
where experiment = lake.experiment_or_last($experiment) and dataset = coalesce($dataset, dataset) and shots = coalesce($shots, shots)
order by dataset, coalesce(macro_f1, accuracy, r2) desc nulls last, method, model;
