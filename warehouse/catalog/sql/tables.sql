-- The catalog's tables that are filled from the lake's manifests; fill.sql makes the others out of them. What stands
-- behind a column becomes its comment; columns.sql has those that many tables share.

create schema state;

-- The catalog's build: the version of its statements, and the lake's folder.
create table state.built as
select '' as version, '' as root;

-- The manifests that the rows come from: partition, file name, size in bytes, time of writing in nanoseconds.
create table state.sources (partition varchar, file varchar, size bigint, written bigint);

-- Files that were equal to their checksums, with the time of writing in nanoseconds and the inode that they had then.
create table state.verified (path varchar, written bigint, inode ubigint);

create table partitions (
    kind varchar not null,  -- Kind of its rows: examples, states, token_states, head_outputs, word_scores, anchors, demonstrations, predictions, metrics, comparisons, diagnostics, study_values, study_items or runs; calibrators, of version 0.1.
    key varchar not null,  -- SHA-256 of the canonical JSON of `payload`, which determines the content.
    path varchar not null primary key,  -- Path of its folder, relative to the lake.
    model varchar,  -- Model card, where the content depends on a model.
    dataset varchar,  -- Data set card, where the content depends on a data set.
    split varchar,  -- train, validation or test, of states, those of all tokens, outputs of heads, and word scores.
    method varchar,  -- Method of calibrators, predictions and metrics.
    shots varchar,  -- Labeled examples per class that the method saw: a number, or all.
    experiment varchar,  -- Experiment card, of runs.
    study varchar,  -- Study, of its values and items.
    card varchar,  -- Study card, of its values and items.
    files integer not null,  -- Number of files.
    rows bigint not null,  -- Rows of its part files.
    bytes bigint not null,  -- Size of its files.
    created timestamptz not null,  -- When it was published.
    latest boolean not null,
    examples_key varchar,  -- Key of the examples it goes back to, through any number of steps.
    payload json not null,  -- Canonical JSON whose SHA-256 is the key.
    facts json not null,  -- Measurements of its computation.
    versions json not null  -- Versions of the software that made it.
);
comment on table partitions is 'Every published partition of the lake: one manifest a row.';

create table files (
    path varchar not null primary key,  -- The file, below the lake.
    partition varchar not null,  -- Path of its partition.
    rows bigint,  -- Rows of a Parquet file; NULL for any other.
    bytes bigint not null,  -- Size.
    sha256 varchar not null,  -- SHA-256 of its bytes.
    footer varchar  -- SHA-256 of a Parquet file's footer; NULL for any other.
);
comment on table files is 'Every published file of the lake.';

create table lineage (
    partition varchar not null,  -- Path of the computed partition.
    kind varchar not null,  -- Kind of the computed partition.
    key varchar not null,  -- Key of the computed partition.
    role varchar not null,  -- Role of the input: its kind, and after a colon which one (states:train, metrics:0).
    input varchar,  -- Path of the input; NULL if it is no longer in the lake.
    input_kind varchar not null,  -- Kind of the input.
    which varchar,  -- Which one of several of the kind (train, 0), as in the role; NULL where there is but one.
    input_key varchar not null  -- Key of the input.
);
comment on table lineage is 'Inputs of each partition, one per row.';

create table checks (
    partition varchar not null,  -- Path of the partition.
    kind varchar not null,  -- Kind of the partition.
    key varchar not null,  -- Key of the partition.
    model varchar,  -- Model card, where the partition is of one.
    dataset varchar,  -- Data set card, where the partition is of one.
    name varchar not null,  -- The statement.
    severity varchar not null,  -- fail: the partition is not published unless it holds; warn: it is only reported.
    passed boolean not null,  -- Whether it held.
    detail varchar not null,  -- The value that was tested.
    published boolean not null  -- Whether the partition was published; if not, nothing is computed from it.
);
comment on table checks is 'Data quality checks, run at publication.';

create table metrics (
    model varchar not null,
    dataset varchar not null,
    method varchar not null,
    shots varchar not null,
    shots_order double not null,
    split varchar not null,  -- validation or test.
    seed integer,  -- Seed of the shots and the weights; NULL for the value over all seeds.
    metric varchar not null,  -- accuracy, macro_f1 (not of choices), nll, ece, brier, ari_before, ari_after, fit_seconds; of ordinal labels also qwk, mae; of any number of labels per text accuracy (of the whole set), macro_f1, micro_f1, nll, brier; of continuous targets r2, spearman, rmse, mae.
    value double,  -- Its value; over the seeds, their mean.
    low double,  -- Lower end of the 95 % bootstrap interval over examples and, without a seed, over seeds.
    high double,  -- Upper end of the 95 % bootstrap interval over examples and, without a seed, over seeds.
    spread double,
    key varchar not null,  -- Key of the metrics partition.
    latest boolean not null
);
comment on table metrics is 'Every metric of every fit: a row per seed, and one over the seeds.';

create table comparisons (
    model varchar not null,
    dataset varchar not null,
    shots varchar not null,
    shots_order double not null,
    question varchar not null,  -- baseline: a method against the reference, vocabulary_calibrator, of choices against the first scoring; anchors over random, head over random and the like: one method with two sets of vectors.
    method varchar not null,
    reference varchar not null,  -- The method that it is compared with.
    metric varchar not null,  -- macro_f1, of choices accuracy; nll, brier; of continuous targets r2, spearman, rmse.
    difference double,  -- Metric of the method minus that of the reference, mean over the seeds.
    low double,  -- Lower end of its 95 % interval.
    high double,  -- Upper end of its 95 % interval.
    p double,  -- Two-sided p of no difference.
    p_holm double,  -- The same after Holm's correction over all baselines at this number of shots; NULL for other questions.
    key varchar not null,  -- Key of the comparisons partition.
    latest boolean not null
);
comment on table comparisons is 'Two methods on the same test examples and seeds, one metric per row: paired bootstrap over examples and seeds.';

create table diagnostics (
    model varchar not null,
    dataset varchar not null,  -- Data set card, with its variant.
    subject varchar not null,  -- Subject of the measurement: predictions for content_free inputs, to domain_words or to the train texts, the labels themselves; or vectors of tokens: head, anchors, anchors.centered (the other gauge), head.int8, anchors.int8, head.int4, anchors.int4 (of the rounded head); or scores of label words of several tokens, on validation rows: words.exact, words.exact_mean (per token), words.head.first, words.head.mean, words.anchors.first, words.anchors.mean.
    states varchar,  -- States that the vectors are compared with: raw, or centered on the training texts; NULL where no state is.
    similarity varchar,  -- Similarity: dot or cosine; NULL where no state is.
    metric varchar not null,  -- deficit (log C minus the entropy of the mean prediction, in nats), largest_share (of one class in it); spearman, top1, top10 (agreement with the model's own logits over the whole vocabulary: rank correlation, the same first token, share of the first ten), macro_f1 (of the likeliest label word, without labels); label_cosine, neighbors (of the label words' vectors with the raw, unrounded ones, share of the ten nearest tokens); of words accuracy and macro_f1 of the highest score, spearman and top1 of the scores of the classes with the exact ones.
    value double,  -- Its value.
    key varchar not null,  -- Key of the diagnostics partition.
    latest boolean not null
);
comment on table diagnostics is 'Bias of a model without a text, and agreement of its anchors with its own logits: one metric per row.';

create table study_values (
    study varchar not null,
    card varchar not null,
    model varchar not null,
    unit varchar not null,  -- What is measured: a list of words or texts, a data set.
    layer integer,  -- Layer of the states; NULL for vectors of the vocabulary.
    variant varchar not null,  -- Vectors or method that the metric is of.
    metric varchar not null,  -- Name of the metric.
    value double not null,  -- Its value.
    low double not null,  -- Lower end of its 95 % bootstrap interval.
    high double not null,  -- Upper end of its 95 % bootstrap interval.
    null_low double not null,  -- Lower end of the 95 % interval of the same metric where there is nothing to find.
    null_high double not null,  -- Upper end of that interval.
    n integer not null,  -- Things that the metric is over.
    seed bigint not null,  -- Seed of all draws.
    key varchar not null,  -- Key of the study_values partition.
    latest boolean not null
);
comment on table study_values is 'Every metric of every study beside its null, one a row.';

create table study_items (
    study varchar not null,
    card varchar not null,
    model varchar not null,
    item varchar not null,  -- Which list.
    layer integer,  -- Layer of the states; NULL where there is none.
    rank integer not null,  -- Rank in the list, from 1.
    score double not null,  -- By which it is ranked.
    text varchar not null,  -- The thing: a pair of words, an example, a choice.
    key varchar not null,  -- Key of the study_items partition.
    latest boolean not null
);
comment on table study_items is 'Ranked lists of every study: one thing a row.';
