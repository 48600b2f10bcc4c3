-- On how many data sets does each method win, tie and lose against one method, and is it chance? By macro-F1, with p of Wilcoxon's signed-rank test over the data sets.
-- $experiment = null: experiment card; null is the one that was run last
-- $reference = null: method to compare with; null is vocabulary_calibrator
-- $shots = null: labeled examples per class, a number or all; null is every one
-- p is two-sided and exact, over all patterns of signs; of N data sets it is at least 2 / 2^N. p_holm is corrected over the methods.
select model, shots, method, reference, datasets, wins, ties, losses, difference, p, p_holm
from lake.wins(
    coalesce((select r.key from runs r where r.experiment = lake.experiment_or_last($experiment) and r.latest), ''),
    coalesce($reference, 'vocabulary_calibrator')
)
where shots = coalesce($shots, shots)
order by model, shots_order, p, method;
