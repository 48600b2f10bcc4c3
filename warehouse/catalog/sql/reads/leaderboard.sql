-- The leaderboard of the latest runs, of one experiment or data set where one is named.
-- $experiment, $dataset: the cards; null is every one
select *
from leaderboard
where experiment = coalesce($experiment, experiment) and dataset = coalesce($dataset, dataset);
