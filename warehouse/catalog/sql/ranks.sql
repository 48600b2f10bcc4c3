-- Methods compared over the data sets of a run, after Demsar (2006): average ranks with Nemenyi's critical difference, and
-- wins, ties and losses against one method with Wilcoxon's signed-rank test.

create or replace macro lake.nemenyi(methods) as
    -- Critical value at 5 % of so many methods, 2 to 60: quantile of the studentized range over the square root of 2.
    list_extract([null,
    1.9600, 2.3437, 2.5690, 2.7278, 2.8497, 2.9483, 3.0309, 3.1017, 3.1637, 3.2187, 3.2680, 3.3127, 3.3536, 3.3912,
    3.4260, 3.4584, 3.4887, 3.5171, 3.5438, 3.5690, 3.5929, 3.6156, 3.6373, 3.6579, 3.6776, 3.6964, 3.7145, 3.7319,
    3.7486, 3.7647, 3.7802, 3.7952, 3.8097, 3.8237, 3.8373, 3.8504, 3.8632, 3.8756, 3.8876, 3.8993, 3.9107, 3.9219,
    3.9327, 3.9432, 3.9535, 3.9636, 3.9734, 3.9830, 3.9923, 4.0015, 4.0105, 4.0193, 4.0279, 4.0363, 4.0446, 4.0527,
    4.0606, 4.0684, 4.0760
    ]::double[], methods);

create or replace view lake.ranks as
with ranked as (
    select *,
        rank() over (partition by run, experiment, model, dataset, shots order by rounded desc nulls last)
            + (count(*) over (partition by run, experiment, model, dataset, shots, rounded) - 1) / 2 as rank,
        rank() over (partition by run, experiment, model, dataset, shots, unlabeled order by rounded desc nulls last)
            + (count(*) over (partition by run, experiment, model, dataset, shots, unlabeled, rounded) - 1) / 2 as peer_rank
    from (  -- equal but for rounding is equal; what is judged by another metric has no rank
        select *, round(macro_f1, 12) as rounded from lake.scores
        where macro_f1 is not null or coalesce(accuracy, r2) is null
    )
), averaged as (
    select experiment, run, latest, model, method, shots, any_value(shots_order) as shots_order,
        bool_or(unlabeled) as unlabeled, avg(rank) as average_rank, avg(peer_rank) as average_peer_rank,
        count(*) as datasets
    from ranked
    group by experiment, run, latest, model, method, shots
), counted as (
    select *, count(*) over same as methods, min(datasets) over same = max(datasets) over same as complete
    from averaged
    window same as (partition by run, experiment, model, shots)
)
select * exclude (methods, complete),
    case when complete and datasets > 1 then
        lake.nemenyi(methods) * sqrt(methods * (methods + 1) / (6 * datasets))
    end as critical_difference
from counted;

create or replace view ranks as
select experiment, model, shots, shots_order, method, unlabeled, average_rank, average_peer_rank, critical_difference,
    datasets
from lake.ranks
where latest
order by experiment, model, shots_order, average_rank, method;
comment on view ranks is 'Rank of each method by macro-F1 among those with as many shots, averaged over the data sets; 1 is best.';
comment on column ranks.average_rank is 'Mean of its ranks; equal scores share the mean of theirs.';
comment on column ranks.average_peer_rank is 'The same among those that learn from texts without labels, or among those that do not.';
comment on column ranks.critical_difference is 'Nemenyi: average ranks that differ by less are not significantly different at 5 %; NULL with one data set, where a method lacks one, and with more than 60 methods.';
comment on column ranks.datasets is 'Number of data sets.';

create or replace macro lake.wins(of_run, reference) as table
with differences as (
    select o.model, o.shots, o.shots_order, o.method, o.dataset, round(o.macro_f1 - r.macro_f1, 12) as difference
    from lake.scores o join lake.scores r on r.run = o.run and r.model = o.model and r.dataset = o.dataset and r.shots = o.shots
    where o.run = of_run and r.method = reference and o.method <> reference and isfinite(o.macro_f1 - r.macro_f1)
), counted as (
    select model, shots, any_value(shots_order) as shots_order, method, count(*) as datasets,
        count(*) filter (difference > 0) as wins, count(*) filter (difference = 0) as ties,
        count(*) filter (difference < 0) as losses, avg(difference) as difference
    from differences
    group by model, shots, method
), ranked as (
    select *, 2 * rank() over (partition by model, shots, method order by abs(difference))
        + count(*) over (partition by model, shots, method, abs(difference)) - 1 as twice  -- the mean rank of equals, whole
    from differences
    where difference <> 0
), summed as (
    select model, shots, method, list(twice::bigint order by dataset) as ranks, count(*)::integer as n,
        abs(sum(case when difference > 0 then twice else -twice end)) as observed
    from ranked
    group by model, shots, method
), flipped as (
    -- Every pattern of signs, each as likely as the other; of more than 2^16 as many drawn ones.
    select model, shots, method, n, observed,
        abs(list_sum(list_transform(ranks, lambda r, i: case when (signs >> (i - 1)) & 1 = 1 then r else -r end))) as other
    from (
        select *, case when n > 16 then hash(pattern) >> 1 else pattern::ubigint end as signs
        from (select *, unnest(range(1 << least(n, 16))) as pattern from summed)
    )
), tested as (
    select model, shots, method,
        (count(*) filter (other >= observed) + (n > 16)::integer) / (count(*) + (n > 16)::integer) as p
    from flipped
    group by model, shots, method, n
), complete as (
    select c.*, coalesce(t.p, 1) as p from counted c left join tested t using (model, shots, method)
), stepped as (
    select *, p * (count(*) over (partition by model, shots) + 1
        - row_number() over (partition by model, shots order by p, method)) as step
    from complete
)
select model, shots, shots_order, method, reference as reference, datasets, wins, ties, losses, difference, p,
    least(1, max(step) over (partition by model, shots order by p, method rows unbounded preceding)) as p_holm
from stepped;
