-- Views of the results of experiments.

create or replace macro lake.merit(macro_f1, accuracy, r2, nll, shots_order) as
    -- To sort by, best first: equal macro-F1, but for rounding, goes to the lower NLL, then to more labels. Choices have
    -- accuracy in its place, continuous targets r2.
    [
        coalesce(-round(coalesce(macro_f1, accuracy, r2), 12), 'inf'::double), coalesce(round(nll, 12), 'inf'::double),
        -shots_order
    ];

create or replace view lake.scored as
with listed as (
    select r.experiment, r.key as run, r.latest, l.input_key as key
    from runs r join lineage l on l.kind = 'runs' and l.key = r.key and l.input_kind = 'metrics'
), unlisted as (
    select '-' as experiment, '' as run, true as latest, key
    from partitions
    where kind = 'metrics' and key not in (select input_key from lineage where kind = 'runs')
    qualify row_number() over (partition by model, dataset, method, shots order by created desc, key) = 1
)
from listed union from unlisted;

create or replace view lake.scores as
select
    c.experiment, c.run, c.latest, m.model, m.dataset, m.method, m.shots, any_value(m.shots_order) as shots_order,
    bool_or(list_contains(c.controls, m.method)) as control, bool_or(list_contains(c.unlabeled, m.method)) as unlabeled,
    max(m.key) as key, count(distinct m.seed) as n_seeds,
    max(m.value) filter (m.metric = 'accuracy' and m.seed is null) as accuracy,
    max(m.low) filter (m.metric = 'accuracy' and m.seed is null) as accuracy_low,
    max(m.high) filter (m.metric = 'accuracy' and m.seed is null) as accuracy_high,
    max(m.value) filter (m.metric = 'macro_f1' and m.seed is null) as macro_f1,
    max(m.low) filter (m.metric = 'macro_f1' and m.seed is null) as macro_f1_low,
    max(m.high) filter (m.metric = 'macro_f1' and m.seed is null) as macro_f1_high,
    coalesce(
        max(m.spread) filter (m.metric = 'macro_f1' and m.seed is null),
        max(m.spread) filter (m.metric = 'accuracy' and m.seed is null),
        max(m.spread) filter (m.metric = 'r2' and m.seed is null)
    ) as spread,
    max(m.value) filter (m.metric = 'nll' and m.seed is null) as nll,
    max(m.value) filter (m.metric = 'ece' and m.seed is null) as ece,
    max(m.value) filter (m.metric = 'brier' and m.seed is null) as brier,
    max(m.value) filter (m.metric = 'micro_f1' and m.seed is null) as micro_f1,
    max(m.low) filter (m.metric = 'micro_f1' and m.seed is null) as micro_f1_low,
    max(m.high) filter (m.metric = 'micro_f1' and m.seed is null) as micro_f1_high,
    max(m.value) filter (m.metric = 'qwk' and m.seed is null) as qwk,
    max(m.low) filter (m.metric = 'qwk' and m.seed is null) as qwk_low,
    max(m.high) filter (m.metric = 'qwk' and m.seed is null) as qwk_high,
    max(m.value) filter (m.metric = 'mae' and m.seed is null) as mae,
    max(m.value) filter (m.metric = 'r2' and m.seed is null) as r2,
    max(m.low) filter (m.metric = 'r2' and m.seed is null) as r2_low,
    max(m.high) filter (m.metric = 'r2' and m.seed is null) as r2_high,
    max(m.value) filter (m.metric = 'spearman' and m.seed is null) as spearman,
    max(m.low) filter (m.metric = 'spearman' and m.seed is null) as spearman_low,
    max(m.high) filter (m.metric = 'spearman' and m.seed is null) as spearman_high,
    max(m.value) filter (m.metric = 'rmse' and m.seed is null) as rmse,
    max(m.value) filter (m.metric = 'ari_before' and m.seed is null) as ari_before,
    max(m.value) filter (m.metric = 'ari_after' and m.seed is null) as ari_after,
    max(m.value) filter (m.metric = 'fit_seconds' and m.seed is null) as fit_seconds
from (
    select s.*, r.payload->>'$.controls[*]' as controls,
        case when json_exists(r.facts, '$.unlabeled') then r.facts->>'$.unlabeled[*]' end as unlabeled
    from lake.scored s left join partitions r on r.kind = 'runs' and r.key = s.run
) c join metrics m on m.key = c.key
where m.split = 'test'
group by c.experiment, c.run, c.latest, m.model, m.dataset, m.method, m.shots;

create or replace view lake.validated as
select
    c.experiment, c.run, c.latest, m.model, m.dataset, m.method, m.shots, m.key,
    max(m.value) filter (m.metric = 'macro_f1') as validation_macro_f1,
    max(m.value) filter (m.metric = 'accuracy') as validation_accuracy,
    max(m.value) filter (m.metric = 'r2') as validation_r2,
    max(m.value) filter (m.metric = 'nll') as validation_nll
from lake.scored c join metrics m on m.key = c.key
where m.split = 'validation' and m.seed is null
group by all
having isfinite(coalesce(validation_macro_f1, validation_accuracy, validation_r2));

create or replace view leaderboard as
select experiment, model, dataset, method, shots, shots_order, control, unlabeled, n_seeds, accuracy,
    accuracy_low, accuracy_high, macro_f1, macro_f1_low, macro_f1_high, spread, nll, ece, brier, micro_f1, micro_f1_low,
    micro_f1_high, qwk, qwk_low, qwk_high, mae, r2, r2_low, r2_high, spearman, spearman_low, spearman_high, rmse,
    ari_before, ari_after, fit_seconds
from lake.scores
where latest
order by experiment, dataset, lake.merit(macro_f1, accuracy, r2, nll, shots_order), method, model;
comment on view leaderboard is 'Scores on test data of the latest run of every experiment, best first in each data set.';
comment on column leaderboard.accuracy is 'Accuracy, mean over the seeds; of any number of labels per text that of the whole set.';
comment on column leaderboard.accuracy_low is 'Lower end of its 95 % interval over examples and seeds.';
comment on column leaderboard.accuracy_high is 'Upper end of its 95 % interval over examples and seeds.';
comment on column leaderboard.micro_f1 is 'Micro-F1 over all labels, mean over the seeds; NULL where texts have one label.';
comment on column leaderboard.micro_f1_low is 'Lower end of its 95 % interval over examples and seeds.';
comment on column leaderboard.micro_f1_high is 'Upper end of its 95 % interval over examples and seeds.';
comment on column leaderboard.spread is 'Standard deviation over the seeds of macro-F1, of choices that of accuracy, of continuous targets that of r2.';
comment on column leaderboard.nll is 'Negative log-likelihood per example, in nats.';
comment on column leaderboard.ece is 'Expected calibration error, 15 bins; NULL where texts have any number of labels.';
comment on column leaderboard.brier is 'Brier score: mean squared distance from certainty of the label, 0 to 2; of any number of labels the mean squared error of each, 0 to 1.';
comment on column leaderboard.qwk is 'Cohen''s kappa with quadratic weights; NULL where labels have no order.';
comment on column leaderboard.qwk_low is 'Lower end of its 95 % interval over examples and seeds.';
comment on column leaderboard.qwk_high is 'Upper end of its 95 % interval over examples and seeds.';
comment on column leaderboard.mae is 'Mean distance of prediction and label, in classes or in the target''s unit; NULL where labels have no order.';
comment on column leaderboard.r2 is 'Share of the variance of continuous targets that is explained, mean over the seeds; NULL of others.';
comment on column leaderboard.r2_low is 'Lower end of its 95 % interval over examples and seeds.';
comment on column leaderboard.r2_high is 'Upper end of its 95 % interval over examples and seeds.';
comment on column leaderboard.spearman is 'Rank correlation of continuous targets and predictions, mean over the seeds; NULL of others.';
comment on column leaderboard.spearman_low is 'Lower end of its 95 % interval over examples and seeds.';
comment on column leaderboard.spearman_high is 'Upper end of its 95 % interval over examples and seeds.';
comment on column leaderboard.rmse is 'Root of the mean squared error, in the target''s unit; NULL where targets are not continuous.';
comment on column leaderboard.ari_before is 'Adjusted Rand index of the states'' clusters against the labels.';
comment on column leaderboard.ari_after is 'The same after the calibrator; NULL for methods that move no state.';
comment on column leaderboard.fit_seconds is 'Seconds to fit, its temperature included, mean over the seeds.';

create or replace view best_by_validation as
with fitted as (
    select v.*, s.shots_order, s.accuracy, s.accuracy_low, s.accuracy_high, s.macro_f1, s.macro_f1_low, s.macro_f1_high,
        s.r2, s.r2_low, s.r2_high,
        l.which::integer as position,
        coalesce(v.validation_macro_f1, v.validation_r2) is not null and p.key in (
            select key from lineage
            where kind = 'predictions' and input_kind in ('states', 'word_scores') and which = 'test'
        ) as servable
    from lake.validated v
    join lake.scores s using (run, model, dataset, method, shots, key)
    join partitions r on r.kind = 'runs' and r.key = v.run
    join lineage l on l.kind = 'runs' and l.key = v.run and l.input_kind = 'metrics' and l.input_key = v.key
    join lineage i on i.kind = 'metrics' and i.key = v.key and i.input_kind = 'predictions'
    join partitions p on p.path = i.input
    where not list_contains(coalesce((r.payload->>'$.controls[*]'), []), v.method)
)
select experiment, run, latest, model, dataset, method, shots, shots_order, validation_macro_f1,
    validation_accuracy, validation_r2, validation_nll, macro_f1, macro_f1_low, macro_f1_high, accuracy, accuracy_low,
    accuracy_high, r2, r2_low, r2_high, key, servable,
    row_number() over (partition by run, model, dataset order by merit, position) as rank,
    case when servable then
        row_number() over (partition by run, dataset, servable order by merit, position)
    end as champion_rank
from (
    select *, lake.merit(validation_macro_f1, validation_accuracy, validation_r2, validation_nll, shots_order) as merit
    from fitted
)
order by experiment, run, dataset, model, rank;
comment on view best_by_validation is 'The fits of every run in the order of macro-F1, of choices accuracy, of continuous targets r2, on validation data, controls aside: where rank is 1, the best of its model and data set.';
comment on column best_by_validation.run is 'Key of the run.';
comment on column best_by_validation.latest is 'Whether the run is the latest of its experiment.';
comment on column best_by_validation.validation_macro_f1 is 'Macro-F1 on validation data, mean over the seeds; NULL of choices.';
comment on column best_by_validation.validation_accuracy is 'Accuracy on validation data, mean over the seeds.';
comment on column best_by_validation.validation_r2 is 'R² of continuous targets on validation data, mean over the seeds; NULL of others.';
comment on column best_by_validation.r2 is 'R² of continuous targets on test data, mean over the seeds; NULL of others.';
comment on column best_by_validation.r2_low is 'Lower end of its 95 % interval over examples and seeds.';
comment on column best_by_validation.r2_high is 'Upper end of its 95 % interval over examples and seeds.';
comment on column best_by_validation.validation_nll is 'Negative log-likelihood on validation data, in nats, mean over the seeds.';
comment on column best_by_validation.macro_f1 is 'Macro-F1 on test data, mean over the seeds; NULL of choices.';
comment on column best_by_validation.accuracy is 'Accuracy on test data, mean over the seeds.';
comment on column best_by_validation.accuracy_low is 'Lower end of its 95 % interval over examples and seeds.';
comment on column best_by_validation.accuracy_high is 'Upper end of its 95 % interval over examples and seeds.';
comment on column best_by_validation.key is 'Key of the metrics partition.';
comment on column best_by_validation.servable is 'Whether a classifier of new texts can be packaged from it: fitted to states or exact scores of label words, of prompts without demonstrations; none of choices.';
comment on column best_by_validation.rank is 'Rank among the fits of its model and data set; equal macro-F1 goes to the lower NLL, then to more labels, then to the first of the card.';
comment on column best_by_validation.champion_rank is 'Rank among the servable fits of its data set, over all models: 1 competes with the champion; NULL where it is not servable.';

create or replace view label_efficiency as
select experiment, dataset, model, method, shots, shots_order, macro_f1, macro_f1_low, macro_f1_high, spread,
    macro_f1 - lag(macro_f1) over (
        partition by experiment, dataset, model, method order by shots_order
    ) as gain
from lake.scores
where latest
order by experiment, dataset, model, method, shots_order;
comment on view label_efficiency is 'Macro-F1 on test data by labeled examples per class, for every method.';
comment on column label_efficiency.gain is 'Macro-F1 gained over the next smaller number of shots.';

create or replace view lake.compared as
select r.experiment, r.key as run, r.latest, c.* exclude (latest)
from runs r
join lineage l on l.kind = 'runs' and l.key = r.key and l.input_kind = 'comparisons'
join comparisons c on c.key = l.input_key;

create or replace view anchor_gains as
select experiment, model, dataset, shots, shots_order, method,
    split_part(question, ' over ', 1) as vectors, split_part(question, ' over ', 2) as over, difference, low, high
from lake.compared
where latest and metric = 'macro_f1' and question like '% over %'
order by experiment, model, dataset, shots_order, method, vectors, over desc;
comment on view anchor_gains is 'Gain in macro-F1 from the anchors: that of a method minus that of its variant with other vectors for the label words.';
comment on column anchor_gains.experiment is 'Experiment card, in its latest run.';
comment on column anchor_gains.vectors is 'Its vectors: anchors, head for the rows of the head, or both.';
comment on column anchor_gains.over is 'The vectors in their place: random for none of the vocabulary''s, or fewer of them.';
comment on column anchor_gains.difference is 'The gain, mean over the seeds.';
comment on column anchor_gains.low is 'Lower end of its 95 % interval over examples and seeds.';
comment on column anchor_gains.high is 'Upper end of its 95 % interval over examples and seeds.';

create or replace view lake.sensitivity as
with scores as (
    select c.experiment, c.run, c.latest, m.model, m.shots, m.shots_order, m.seed, m.value,
        split_part(m.dataset, '@', 1) as dataset,
        split_part(regexp_replace(m.dataset, '@words-[a-z0-9]+', ''), '@', 2) as template,
        regexp_extract(m.dataset, '@words-([a-z0-9]+)', 1) as words,
        regexp_replace(m.method, '\+(order-\d+|noise-[0-9.]+)', '', 'g') as method,
        regexp_extract(m.method, '\+order-(\d+)', 1) as order_variant,
        coalesce(try_cast(regexp_extract(m.method, '\+noise-([0-9.]+)', 1) as double), 0) as noise
    from lake.scored c join metrics m on m.key = c.key
    where m.split = 'test' and m.metric = 'macro_f1' and m.seed is not null
), choices as (
    select *, 'template' as choice, template as variant from scores where words = '' and order_variant = '' and noise = 0
    union all
    select *, 'words', words from scores where template = '' and order_variant = '' and noise = 0
    union all
    select *, 'order', order_variant from scores where template = '' and words = '' and noise = 0
    union all
    select *, 'noise', noise::varchar from scores where template = '' and words = '' and order_variant = ''
), spread as (
    select *,
        value - avg(value) over (partition by run, experiment, model, dataset, method, shots, choice, seed) as in_seed,
        avg(value) over (partition by run, experiment, model, dataset, method, shots, choice, variant) as mean
    from choices
)
select experiment, run, latest, model, dataset, choice, method, shots, any_value(shots_order) as shots_order,
    count(distinct variant) as variants, avg(value) as mean,
    least(min(mean), avg(value)) as low, greatest(max(mean), avg(value)) as high,  -- a mean of equals may round outside
    sqrt(sum(in_seed ** 2) / nullif(count(*) - count(distinct seed), 0)) as spread,
    sqrt(sum((value - mean) ** 2) / nullif(count(*) - count(distinct variant), 0)) as seed_spread,
    case when choice = 'noise' then regr_slope(value, noise) end as slope
from spread
group by experiment, run, latest, model, dataset, choice, method, shots
having variants > 1;

create or replace view sensitivity as
select experiment, model, dataset, choice, method, shots, shots_order, variants, mean, low, high, spread, seed_spread, slope
from lake.sensitivity
where latest
order by experiment, model, dataset, choice, method, shots_order;
comment on view sensitivity is 'Sensitivity of macro-F1 on test data to template, label words, order of demonstrations and label noise.';
comment on column sensitivity.dataset is 'Data set card, all its variants together.';
comment on column sensitivity.choice is 'What is varied, all else equal: template, words, order or noise.';
comment on column sensitivity.method is 'Method, with its variant but for order and noise.';
comment on column sensitivity.variants is 'Number of templates, sets of words, orders, or shares of noise, the first and unnamed one included.';
comment on column sensitivity.mean is 'Macro-F1, mean over variants and seeds.';
comment on column sensitivity.low is 'That of the worst variant, mean over the seeds.';
comment on column sensitivity.high is 'That of the best variant, mean over the seeds.';
comment on column sensitivity.spread is 'Standard deviation over the variants at one seed, pooled over the seeds.';
comment on column sensitivity.seed_spread is 'Standard deviation over the seeds of one variant, pooled over the variants; NULL with one seed.';
comment on column sensitivity.slope is 'Of noise: change of macro-F1 for a share of 1 of wrong labels, by least squares; NULL otherwise.';

create or replace macro nearest_tokens(model, token, k := 10) as table
with candidates as (
    select a.token_id, a.token, a.leverage, a.anchor
    from anchors a join models m on m.model = a.model and m.key = a.key
    where a.model = model
), origin as (
    select o.token_id, o.anchor from candidates o where o.token = token order by o.token_id limit 1
)
select
    c.token_id, c.token, list_cosine_similarity(c.anchor, origin.anchor)::double as cosine, c.leverage
from candidates c, origin
where c.token_id <> origin.token_id
order by cosine desc, c.token_id
limit k;
comment on macro table nearest_tokens is
    'The k tokens whose anchors are nearest, by cosine, to a token''s anchor: from nearest_tokens(''gpt2'', '' good'', 10)';

create or replace macro nearest_examples(model, dataset, id, k := 10, within := null) as table
with newest as (
    select p.key
    from partitions p
    where p.kind = 'states' and p.model = model and p.dataset = dataset
    qualify row_number() over (partition by p.split order by p.created desc, p.key) = 1
), candidates as (
    select s.split, s.id, s.state, s.examples_key
    from last_states s semi join newest n on n.key = s.key
    where s.model = model and s.dataset = dataset
), origin as (
    select o.id, o.split, o.state, o.examples_key from candidates o where o.id = id order by o.split limit 1
), nearest as (
    select c.split, c.id, c.examples_key, list_cosine_similarity(c.state, origin.state)::double as cosine
    from candidates c, origin
    where (c.id, c.split) <> (origin.id, origin.split) and c.split = coalesce(within, c.split)
    order by cosine desc, c.id
    limit k
)
select n.split, n.id, n.cosine, e.label_name, e.text
from nearest n left join examples e on e.dataset = dataset and e.key = n.examples_key and e.id = n.id
order by n.cosine desc, n.id;
comment on macro table nearest_examples is
    'The k examples whose last stored states are nearest, by cosine, to an example''s: from nearest_examples(''gpt2'', ''mr'', ''test-0'', 10); within := ''train'' looks at that split alone';
