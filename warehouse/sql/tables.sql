-- The catalog's tables. `catalog.rebuild` fills partitions, files, lineage, checks, metrics, comparisons and
-- diagnostics from the lake's manifests; fill.sql derives the others from them.

create table partitions (
    kind varchar not null,
    key varchar not null,
    path varchar not null primary key,
    model varchar,
    dataset varchar,
    split varchar,
    method varchar,
    shots varchar,
    experiment varchar,
    files integer not null,
    rows bigint not null,
    bytes bigint not null,
    created timestamptz not null,
    examples_key varchar,
    payload json not null,
    facts json not null,
    versions json not null
);
comment on table partitions is 'Every published partition of the lake: one manifest a row.';
comment on column partitions.kind is 'What it holds: examples, states, anchors, calibrators, predictions, metrics, comparisons, diagnostics or runs.';
comment on column partitions.key is 'SHA-256 of the canonical JSON of all that determines its content.';
comment on column partitions.path is 'Its folder, below the lake.';
comment on column partitions.model is 'Model card, where the content depends on a model.';
comment on column partitions.dataset is 'Data set card, where the content depends on a data set.';
comment on column partitions.split is 'train, validation or test, of states.';
comment on column partitions.method is 'Method of calibrators, predictions and metrics.';
comment on column partitions.shots is 'Labelled examples per class that the method saw: a number, or all.';
comment on column partitions.experiment is 'Experiment card, of runs.';
comment on column partitions.files is 'Number of files.';
comment on column partitions.rows is 'Rows of its part files.';
comment on column partitions.bytes is 'Size of its files.';
comment on column partitions.created is 'When it was published.';
comment on column partitions.examples_key is 'Key of the examples it goes back to, through any number of steps.';
comment on column partitions.payload is 'What the key is the hash of.';
comment on column partitions.facts is 'What was measured while it was made.';
comment on column partitions.versions is 'Versions of the software that made it.';

create table files (
    path varchar not null primary key,
    partition varchar not null,
    rows bigint,
    bytes bigint not null,
    sha256 varchar not null
);
comment on table files is 'Every published file of the lake.';
comment on column files.path is 'The file, below the lake.';
comment on column files.partition is 'Path of its partition.';
comment on column files.rows is 'Rows of a Parquet file; NULL for any other.';
comment on column files.bytes is 'Size.';
comment on column files.sha256 is 'SHA-256 of its bytes.';

create table lineage (
    partition varchar not null,
    kind varchar not null,
    key varchar not null,
    role varchar not null,
    input varchar,
    input_kind varchar not null,
    input_key varchar not null
);
comment on table lineage is 'From what each partition was computed: one input a row.';
comment on column lineage.partition is 'Path of the computed partition.';
comment on column lineage.kind is 'Kind of the computed partition.';
comment on column lineage.key is 'Key of the computed partition.';
comment on column lineage.role is 'What the input was used as: its kind, and after a colon which one (states:train, metrics:0).';
comment on column lineage.input is 'Path of the input; NULL if it is no longer in the lake.';
comment on column lineage.input_kind is 'Kind of the input.';
comment on column lineage.input_key is 'Key of the input.';

create table checks (
    partition varchar not null,
    kind varchar not null,
    key varchar not null,
    model varchar,
    dataset varchar,
    name varchar not null,
    severity varchar not null,
    passed boolean not null,
    detail varchar not null,
    published boolean not null
);
comment on table checks is 'Statements about the data, tested when it was written.';
comment on column checks.partition is 'Path of the partition.';
comment on column checks.kind is 'Kind of the partition.';
comment on column checks.key is 'Key of the partition.';
comment on column checks.model is 'Model card, where the partition is of one.';
comment on column checks.dataset is 'Data set card, where the partition is of one.';
comment on column checks.name is 'The statement.';
comment on column checks.severity is 'fail: the partition is not published unless it holds; warn: it is only told.';
comment on column checks.passed is 'Whether it held.';
comment on column checks.detail is 'What was found.';
comment on column checks.published is 'Whether the partition was published; if not, nothing is computed from it.';

create table metrics (
    model varchar not null,
    dataset varchar not null,
    method varchar not null,
    shots varchar not null,
    shots_order integer not null,
    split varchar not null,
    seed integer,
    metric varchar not null,
    value double,
    low double,
    high double,
    spread double,
    key varchar not null
);
comment on table metrics is 'Every figure of every fit: one metric of one seed a row, and one over the seeds.';
comment on column metrics.model is 'Model card.';
comment on column metrics.dataset is 'Data set card.';
comment on column metrics.method is 'Method, with its variant.';
comment on column metrics.shots is 'Labelled examples per class: a number, or all.';
comment on column metrics.shots_order is 'Shots as a number to sort by; all comes last.';
comment on column metrics.split is 'validation or test.';
comment on column metrics.seed is 'Seed of the shots and the weights; NULL for the figure over all seeds.';
comment on column metrics.metric is 'accuracy, macro_f1, nll, ece, brier, ari_before, ari_after, fit_seconds.';
comment on column metrics.value is 'The figure; over the seeds, their mean.';
comment on column metrics.low is 'Lower end of the 95 % bootstrap interval over examples and, without a seed, over seeds.';
comment on column metrics.high is 'Upper end of the 95 % bootstrap interval over examples and, without a seed, over seeds.';
comment on column metrics.spread is 'Standard deviation over the seeds.';
comment on column metrics.key is 'Key of the metrics partition.';

create table comparisons (
    model varchar not null,
    dataset varchar not null,
    shots varchar not null,
    shots_order integer not null,
    question varchar not null,
    method varchar not null,
    reference varchar not null,
    metric varchar not null,
    difference double,
    low double,
    high double,
    p double,
    p_holm double,
    key varchar not null
);
comment on table comparisons is 'Two methods on the same test examples and seeds, one figure a row: paired bootstrap over examples and seeds.';
comment on column comparisons.model is 'Model card.';
comment on column comparisons.dataset is 'Data set card.';
comment on column comparisons.shots is 'Labelled examples per class: a number, or all.';
comment on column comparisons.shots_order is 'Shots as a number to sort by; all comes last.';
comment on column comparisons.question is 'rival: a method against our calibrator; anchors over random, head over random and the like: one method with two sets of vectors.';
comment on column comparisons.method is 'Method, with its variant.';
comment on column comparisons.reference is 'The method that it is compared with.';
comment on column comparisons.metric is 'macro_f1, nll, brier.';
comment on column comparisons.difference is 'Figure of the method minus that of the reference, mean over the seeds.';
comment on column comparisons.low is 'Lower end of its 95 % interval.';
comment on column comparisons.high is 'Upper end of its 95 % interval.';
comment on column comparisons.p is 'Two-sided p of no difference.';
comment on column comparisons.p_holm is 'The same after Holm''s correction over all rivals at this number of shots; NULL for other questions.';
comment on column comparisons.key is 'Key of the comparisons partition.';

create table diagnostics (
    model varchar not null,
    dataset varchar not null,
    subject varchar not null,
    states varchar,
    similarity varchar,
    figure varchar not null,
    value double,
    key varchar not null
);
comment on table diagnostics is 'Where a model leans before it reads, and how far its anchors repeat its own logits: one figure a row.';
comment on column diagnostics.model is 'Model card.';
comment on column diagnostics.dataset is 'Data set card, with its variant.';
comment on column diagnostics.subject is 'What is looked at: answers to content_free inputs, to domain_words or to the train texts, the labels themselves; or vectors of tokens: head, anchors, anchors.centred (the other gauge), head.int8, anchors.int8, head.int4, anchors.int4 (of the rounded head).';
comment on column diagnostics.states is 'What the vectors are compared with: raw states, or centred on the training texts; NULL where no state is.';
comment on column diagnostics.similarity is 'How: dot or cosine; NULL where no state is.';
comment on column diagnostics.figure is 'deficit (log C minus the entropy of the mean answer, in nats), largest_share (of one class in it); spearman, top1, top10 (agreement with the model''s own logits over the whole vocabulary: rank correlation, the same first token, share of the first ten), macro_f1 (of the likeliest label word, without labels); label_cosine, neighbours (of the label words'' vectors with the raw, unrounded ones, share of the ten nearest tokens).';
comment on column diagnostics.value is 'The figure.';
comment on column diagnostics.key is 'Key of the diagnostics partition.';

create table models (
    model varchar not null primary key,
    description varchar,
    source varchar,
    licence varchar,
    citation varchar,
    parameters bigint,
    layers integer,
    hidden_size integer,
    vocabulary_size integer,
    gauge varchar,
    condition double,
    rank integer,
    residual double,
    key varchar
);
comment on table models is 'Every model in the lake, with the figures of its newest anchors.';
comment on column models.model is 'Model card.';
comment on column models.description is 'What it is.';
comment on column models.source is 'Where its weights come from.';
comment on column models.licence is 'Licence of the weights.';
comment on column models.citation is 'What to cite.';
comment on column models.parameters is 'Number of weights.';
comment on column models.layers is 'Number of layers; layer 0 is the embedding output.';
comment on column models.hidden_size is 'Length d of a state.';
comment on column models.vocabulary_size is 'Number V of tokens.';
comment on column models.gauge is 'Which of the heads with equal probabilities was inverted: raw, or centred.';
comment on column models.condition is 'Condition number of the head.';
comment on column models.rank is 'Rank of the head.';
comment on column models.residual is 'Relative residual of the anchors: |WᵀW X − Wᵀ| / |Wᵀ|.';
comment on column models.key is 'Key of the newest anchors.';

create table datasets (
    dataset varchar not null primary key,
    description varchar,
    licence varchar,
    citation varchar,
    sources json,
    template varchar,
    classes integer,
    train bigint,
    validation bigint,
    test bigint,
    facts json not null,
    key varchar not null
);
comment on table datasets is 'Every data set in the lake, as its newest examples have it.';
comment on column datasets.dataset is 'Data set card.';
comment on column datasets.description is 'What it is.';
comment on column datasets.licence is 'Licence of the data.';
comment on column datasets.citation is 'What to cite.';
comment on column datasets.sources is 'Where its files come from, by split.';
comment on column datasets.template is 'The prompt around a text.';
comment on column datasets.classes is 'Number C of classes.';
comment on column datasets.train is 'Training examples.';
comment on column datasets.validation is 'Validation examples.';
comment on column datasets.test is 'Test examples.';
comment on column datasets.facts is 'Rows read, duplicates removed, classes of each split.';
comment on column datasets.key is 'Key of the newest examples.';

create table labels (
    dataset varchar not null,
    label integer not null,
    name varchar not null,
    word varchar not null,
    primary key (dataset, label)
);
comment on table labels is 'The classes of every data set.';
comment on column labels.dataset is 'Data set card.';
comment on column labels.label is 'The class as a number, from 0.';
comment on column labels.name is 'The class in the data.';
comment on column labels.word is 'The label word that stands for it.';

create table runs (
    key varchar not null primary key,
    experiment varchar not null,
    latest boolean not null,
    started timestamptz,
    seconds double,
    machine varchar,
    git_commit varchar,
    mlflow_run_id varchar,
    prefect_flow_run_id varchar,
    created timestamptz not null,
    facts json not null
);
comment on table runs is 'Every finished run of an experiment; lineage tells its metrics.';
comment on column runs.key is 'Key of the run.';
comment on column runs.experiment is 'Experiment card.';
comment on column runs.latest is 'Whether it is the newest of its experiment, the one that leaderboard shows.';
comment on column runs.started is 'When it began.';
comment on column runs.seconds is 'How long it took.';
comment on column runs.machine is 'Where it ran, in words.';
comment on column runs.git_commit is 'Commit of the code.';
comment on column runs.mlflow_run_id is 'Its run in MLflow.';
comment on column runs.prefect_flow_run_id is 'Its flow run in Prefect.';
comment on column runs.created is 'When it was recorded.';
comment on column runs.facts is 'The experiment card whole, the champions and the rest of the record.';
