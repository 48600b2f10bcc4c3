-- The experiments and data sets that the leaderboard has rows of.
select distinct experiment, dataset
from leaderboard
order by experiment, dataset;
