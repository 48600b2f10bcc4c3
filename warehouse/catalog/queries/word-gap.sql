-- How far are approximate scores of label words of several tokens from the exact ones?
-- $dataset = null: data set card with its variant; null is every one
select model, dataset, subject, states, max(value) filter (metric = 'accuracy') as accuracy,
    max(value) filter (metric = 'macro_f1') as macro_f1, max(value) filter (metric = 'spearman') as rank_correlation,
    max(value) filter (metric = 'top1') as same_class
from diagnostics
where latest and subject like 'words.%' and dataset = coalesce($dataset, dataset)
group by all
order by model, dataset, macro_f1 desc, subject, states;
