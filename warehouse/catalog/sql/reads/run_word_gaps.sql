-- Scores of label words of several tokens beside exact ones, of the models and data sets of one run.
-- $run: key of the run
select d.model, d.dataset, d.subject, d.states, d.metric, d.value
from diagnostics d
where d.latest and d.subject like 'words.%'
    and (d.model, d.dataset) in (select (model, dataset) from lake.scores where run = $run)
order by d.model, d.dataset, d.subject, d.states;
