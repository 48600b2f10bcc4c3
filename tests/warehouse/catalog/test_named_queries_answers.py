"""The named queries: each against an independent computation on the same rows, and their errors."""

import re

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import pdist
from sklearn.metrics import confusion_matrix
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler

from tests.warehouse.lakes import SPLITS, TOKENS, anchor, put, put_anchors, put_examples, put_run, put_states, state
from vocabsem.evaluation.metrics import reliability
from warehouse.catalog.catalog import query, rebuild
from warehouse.catalog.named_queries import QUERIES, named_queries, run_named_query
from warehouse.errors import QueryRefused
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors

LABELS = np.array([i % 2 for i in range(sum(SPLITS.values()))])
TEST = LABELS[-SPLITS["test"] :]
FITS = [
    ("linear_probe", "4", 0.5),
    ("linear_probe", "all", 0.75),
    ("vocabulary_calibrator", "all", 0.7),
    ("zero_shot", "0", 0.6),
]
SEEDS = 4
ALL = sorted(named_queries())


def answers(method, shots):
    """(S, N, C) probabilities on test data."""
    rng = np.random.default_rng([len(method), len(shots)])
    return rng.dirichlet(np.ones(2), (SEEDS, SPLITS["test"])).astype(np.float32)


def put_answers(lake, states, anchors, method, shots, macro_f1):
    where = {"model": "tiny", "dataset": "mr", "method": method, "shots": shots}
    inputs = {f"states:{split}": made.key for split, made in states.items()} | {"anchors": anchors.key}
    given = answers(method, shots)
    predictions = pa.table(
        {
            "id": [f"test-{i}" for i in range(SPLITS["test"])] * SEEDS,
            "split": ["test"] * given[..., 0].size,
            "seed": pa.array(np.repeat(np.arange(SEEDS), SPLITS["test"]), pa.int32()),
            "label": pa.array(np.tile(TEST, SEEDS), pa.int32()),
            "predicted": pa.array(given.argmax(2).ravel(), pa.int32()),
            "probabilities": pa.array(list(given.reshape(-1, 2)), pa.list_(pa.float32())),
        }
    )
    facts = {"seeds": [{"seed": s, "fit_seconds": 0.5 + s} for s in range(SEEDS)]}
    made = put(lake, "predictions", {"part-0.parquet": predictions}, facts=facts, inputs=inputs, **where)
    figures = {name: pa.array([value], pa.float64()) for name, value in [("value", macro_f1), ("low", 0), ("high", 1)]}
    table = pa.table(
        {"split": ["test"], "seed": pa.nulls(1, pa.int32()), "metric": ["macro_f1"], **figures, "spread": [0.0]}
    )
    return put(lake, "metrics", {"part-0.parquet": table}, inputs={"predictions": made.key}, **where)


@pytest.fixture(scope="module")
def populated(tmp_path_factory):
    """A home with one run of four fits, and a check that failed."""
    home = Home(tmp_path_factory.mktemp("populated"))
    lake = Lake(home)
    examples, anchors = put_examples(lake, "mr"), put_anchors(lake, "tiny")
    states = put_states(lake, "tiny", "mr", examples)
    metrics = [put_answers(lake, states, anchors, *fit) for fit in FITS]
    put_run(lake, "small", metrics)
    warned = {"name": "every class in test", "passed": False, "severity": "warn", "detail": "1 of 2"}
    put(lake, "examples", {"part-0.parquet": lake.of(examples).table()}, checks=[warned], facts={}, dataset="trec")
    put(lake, "diagnostics", {"part-0.parquet": pa.Table.from_pylist(WORDS)}, model="tiny", dataset="mr")
    rebuild(home)
    return home


WORDS = [
    {"subject": subject, "states": states, "similarity": "dot", "figure": name, "value": value}
    for subject, states, values in (
        ("words.exact", "raw", {"accuracy": 0.75, "macro_f1": 0.7, "spearman": 1.0, "top1": 1.0}),
        ("words.head.mean", "raw", {"accuracy": 0.5, "macro_f1": 0.4, "spearman": 0.25, "top1": 0.5}),
        ("head", "raw", {"macro_f1": 0.9}),
    )
    for name, value in values.items()
]


def test_the_gap_of_approximate_words_lists_the_best_first_and_no_other_vectors(populated):
    exact, approximate = rows(populated, "word-gap")
    assert (exact["subject"], exact["accuracy"], exact["rank_correlation"]) == ("words.exact", 0.75, 1.0)
    assert (approximate["macro_f1"], approximate["same_class"]) == (0.4, 0.5)
    assert rows(populated, "word-gap", dataset="trec") == []


def rows(home, name, **given):
    return run_named_query(home, name, {key: str(value) for key, value in given.items()}).to_pylist()


def states_of(split, layer=2):
    return state("tiny", "mr", split, layer)


# ── what every named query has ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ALL)
def test_an_analysis_states_its_question_and_exactly_the_parameters_it_uses(name):
    analysis = named_queries()[name]
    assert re.fullmatch(r"[A-Z].+\?( .+\.)?", analysis.question)
    code = "\n".join(line for line in analysis.sql.splitlines() if not line.startswith("--"))
    assert set(re.findall(r"\$(\w+)", code)) == set(analysis.parameters)
    assert all(parameter.what for parameter in analysis.parameters.values())


@pytest.mark.parametrize("name", ALL)
def test_an_analysis_answers_without_parameters_on_any_warehouse(name, populated, filled, tmp_path_factory):
    empty = Home(tmp_path_factory.getbasetemp() / "empty-asked")
    if not empty.catalog.exists():
        rebuild(empty)
    homes = [empty, populated, filled] if name != "disagreements" else [empty, populated]  # filled has no fit of ours
    result = [run_named_query(home, name, {}) for home in homes]
    assert len({tuple(table.column_names) for table in result}) == 1
    assert len(result[0]) == 0
    assert any(len(table) for table in result)


def test_every_named_query_is_tested_here():
    assert {path.stem for path in QUERIES.glob("*.sql")} == set(ALL)


@pytest.mark.parametrize(
    ("name", "given", "output"),
    [
        ("leaderbord", {}, "no named query 'leaderbord': did you mean 'leaderboard'"),
        ("q", {}, "no named query 'q': known are anchor-gains, calibration-curve"),
        ("leaderboard", {"data-set": "mr"}, "no parameter 'data-set': did you mean 'dataset'"),
        ("leaderboard", {"dataset": "mrr"}, "nothing matches dataset = 'mrr' .*did you mean 'mr'.* 'mr', 'trec'"),
        ("confusions", {"shots": "5"}, "nothing matches shots = '5' .*known are '0', '4', 'all'"),
        ("nearest-tokens", {"token": " goo"}, "nothing matches token = ' goo' .*did you mean ' good'"),
        ("meaning", {"example": "test-17"}, "nothing matches example = 'test-17' .*did you mean 'test-1'"),
        ("nearest-tokens", {"k": "many"}, "'k' of query 'nearest-tokens' is 'many': give a whole number"),
        ("nearest-tokens", {"k": "-1"}, "give a whole number"),
    ],
)
def test_wrong_words_are_answered_with_the_nearest_right_ones(populated, name, given, output):
    with pytest.raises(QueryRefused, match=output):
        run_named_query(populated, name, given)


@pytest.mark.parametrize("value", ["mr'; drop table models; --", "mr' or 1 = 1 --", "(select dataset from labels)"])
def test_values_are_bound_and_never_run(populated, value):
    with pytest.raises(QueryRefused, match="nothing matches dataset"):
        run_named_query(populated, "leaderboard", {"dataset": value})
    assert len(run_named_query(populated, "leaderboard", {"dataset": "mr"})) == len(FITS)


def test_a_default_that_was_never_computed_is_reported_too(filled):
    with pytest.raises(QueryRefused, match=r"nothing matches method = 'vocabulary_calibrator'.*'zero_shot'"):
        run_named_query(filled, "disagreements", {})


def test_a_question_without_an_answer_is_no_error_where_its_values_exist(populated):
    assert rows(populated, "failed-checks", dataset="mr") == []
    assert rows(populated, "leaderboard", dataset="trec") == []


# ── what each finds ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_leaderboard_has_the_best_first_and_is_cut_by_its_parameters(populated):
    assert [row["macro_f1"] for row in rows(populated, "leaderboard")] == [0.75, 0.7, 0.6, 0.5]
    assert [row["method"] for row in rows(populated, "leaderboard", shots="all")] == [
        "linear_probe",
        "vocabulary_calibrator",
    ]
    (gain,) = [
        row["gain"] for row in rows(populated, "label-efficiency", method="linear_probe") if row["shots"] == "all"
    ]
    assert gain == 0.25


def test_anchor_gains_come_with_their_significance(filled):
    result = {(row["over"], row["effect"]) for row in rows(filled, "anchor-gains", dataset="mr")}
    assert result == {("random", "gain"), ("none", "gain"), ("head", "not significant")}


def test_confusions_are_those_of_scikit_learn(populated):
    result = rows(populated, "confusions", method="vocabulary_calibrator")
    given = answers("vocabulary_calibrator", "all").argmax(2)
    expected = confusion_matrix(np.tile(TEST, SEEDS), given.ravel())
    names = ["negative", "pos"]
    assert {(r["label"], r["predicted"]): r["examples"] for r in result} == {
        (names[i], names[j]): count for (i, j), count in np.ndenumerate(expected) if count
    }
    assert {r["label"]: 0 for r in result}.keys() == {"negative", "pos"}
    assert sum(r["share"] for r in result) == pytest.approx(2)


def test_without_a_method_the_best_fit_is_taken(populated):
    assert {(row["method"], row["shots"]) for row in rows(populated, "confusions")} == {("linear_probe", "all")}
    assert {(row["method"], row["shots"]) for row in rows(populated, "calibration-curve", shots="0")} == {
        ("zero_shot", "0")
    }


def test_the_calibration_curve_is_the_reliability_diagram(populated):
    result = rows(populated, "calibration-curve", method="linear_probe", shots="4")
    bins = reliability(np.tile(TEST, SEEDS), answers("linear_probe", "4").reshape(-1, 2))
    sampled = np.flatnonzero(bins.count)
    assert [row["bin"] for row in result] == sampled.tolist()
    assert [row["examples"] for row in result] == bins.count[sampled].tolist()
    np.testing.assert_allclose([row["confidence"] for row in result], bins.confidence[sampled], rtol=1e-6)
    np.testing.assert_allclose([row["accuracy"] for row in result], bins.accuracy[sampled], rtol=1e-6)


def test_the_hardest_examples_are_those_that_most_answers_miss(populated):
    given = np.concatenate([answers(method, shots) for method, shots, _ in FITS])  # (F·S, N, C)
    wrong = (given.argmax(2) != TEST).mean(axis=0)
    certain = given[:, range(len(TEST)), TEST].mean(axis=0)
    result = rows(populated, "hardest-examples", k=2)
    order = sorted(range(len(TEST)), key=lambda i: (-wrong[i], certain[i]))[:2]
    assert [row["id"] for row in result] == [f"test-{i}" for i in order]
    np.testing.assert_allclose([row["wrong"] for row in result], wrong[order])
    np.testing.assert_allclose([row["probability"] for row in result], certain[order], rtol=1e-5)
    assert result[0]["text"] == f"mr text test-{order[0]}, it's fine"


def test_disagreements_are_those_of_the_first_seeds(populated):
    one, other = (answers(*fit)[0] for fit in (("linear_probe", "all"), ("zero_shot", "0")))
    output, other_output = one.argmax(1), other.argmax(1)
    differing = {i for i in range(len(TEST)) if output[i] != other_output[i]}
    result = rows(populated, "disagreements", method="linear_probe", other="zero_shot", other_shots=0)
    assert {row["id"] for row in result} == {f"test-{i}" for i in differing}
    right = {f"test-{i}": "linear_probe" if output[i] == TEST[i] else "zero_shot" for i in differing}
    assert {row["id"]: row["correct"] for row in result} == right
    assert rows(populated, "disagreements", method="linear_probe", other="linear_probe") == []


def test_nearest_tokens_and_training_examples_are_those_of_the_macros(populated):
    near = rows(populated, "nearest-tokens", token=" bad", k=3)
    assert (
        near
        == query(
            populated, "select token, token_id, cosine, leverage from nearest_tokens('tiny', ' bad', 3)"
        ).to_pylist()
    )
    train, origin = states_of("train").astype(np.float64), states_of("test")[1].astype(np.float64)
    cosine = train @ origin / np.linalg.norm(train, axis=1) / np.linalg.norm(origin)
    result = rows(populated, "nearest-examples", example="test-1", k=2)
    assert [row["id"] for row in result] == [f"train-{i}" for i in np.argsort(-cosine)[:2]]
    assert [row["cosine"] for row in result] == pytest.approx(np.sort(cosine)[::-1][:2], abs=1e-6)


@pytest.mark.parametrize("example", [0, 2])
def test_the_meaning_of_a_state_is_its_nearest_anchors_after_centering(populated, example):
    anchors = anchor("tiny").astype(np.float64)
    result = rows(populated, "meaning", example=f"test-{example}", k=2)
    assert [row["layer"] for row in result] == [1, 2]
    for row in result:
        states = states_of("test", row["layer"]).astype(np.float64)
        centered = states[example] - states.mean(axis=0)
        cosine = anchors @ centered / np.linalg.norm(anchors, axis=1) / np.linalg.norm(centered)
        assert row["nearest"] == ", ".join(TOKENS[i].strip() for i in np.argsort(-cosine)[:2])
        assert row["cosine"] == pytest.approx(cosine.max(), abs=1e-5)


def nearest_mean(train, labels, test):
    """scikit-learn's: the class whose mean of the standardized states has the largest cosine."""
    scaler = StandardScaler().fit(train)
    means = [scaler.transform(train)[labels == each].mean(axis=0) for each in np.unique(labels)]
    return cosine_similarity(scaler.transform(test), means).argmax(axis=1)


def test_the_layer_profile_is_the_accuracy_of_the_nearest_standardized_mean(populated):
    result = rows(populated, "layer-profile")
    assert [(row["dataset"], row["layer"], row["examples"]) for row in result] == [("mr", 1, 3), ("mr", 2, 3)]
    for row in result:
        train, test = (states_of(split, row["layer"]).astype(np.float64) for split in ("train", "test"))
        predicted = nearest_mean(train, LABELS[: SPLITS["train"]], test)
        assert row["accuracy"] == pytest.approx((predicted == TEST).mean())


def test_a_dimension_that_dwarfs_the_rest_does_not_rule_the_layer_profile(tmp_path):
    """As after mean pooling: one dimension a thousand times as wide, without information, and a constant one."""
    rng, labels = np.random.default_rng(1), np.arange(60) % 2
    states = rng.standard_normal((60, 6)) + 2 * labels[:, None]
    states[:, 3] = 1000 * rng.standard_normal(60)
    states[:, 5] = 7
    states = states.astype(np.float32)
    train, test = slice(0, 40), slice(40, 60)
    raw = NearestCentroid().fit(states[train, :5], labels[train])
    assert raw.score(states[test, :5], labels[test]) < 0.8
    home = Home(tmp_path)
    lake = Lake(home)
    ids = [f"{'train' if i < 40 else 'test'}-{i}" for i in range(60)]
    examples = put_examples(lake, "mr")
    table = lake.of(examples).table()
    columns = {"id": ids, "split": [each.split("-")[0] for each in ids], "label": pa.array(labels, pa.int32())}
    columns |= {name: [table[name][0].as_py()] * 60 for name in table.column_names if name not in columns}
    large = pa.table({name: columns[name] for name in table.column_names}, table.schema)
    examples = put(lake, "examples", {"part-0.parquet": large}, facts=examples.facts, extra="large", dataset="mr")
    put_anchors(lake, "tiny")
    for split, part in (("train", train), ("test", test)):
        stored = {"id": ids[part], "label": pa.array(labels[part], pa.int32())}
        stored |= {"tokens": pa.array([9] * len(ids[part]), pa.int32()), "truncated": [False] * len(ids[part])}
        stored |= {"layer_1": vectors(states[part])}
        where = {"model": "tiny", "dataset": "mr", "split": split}
        inputs, facts = {"examples": examples.key}, {"layers": [1]}
        put(lake, "states", {"part-0.parquet": pa.table(stored)}, facts=facts, inputs=inputs, **where)
    rebuild(home)
    (row,) = rows(home, "layer-profile")
    # sklearn's cosine with a constant dimension: StandardScaler gives it the scale 1 too
    predicted = nearest_mean(states[train].astype(np.float64), labels[train], states[test].astype(np.float64))
    assert row["accuracy"] == pytest.approx((predicted == labels[test]).mean())
    assert row["accuracy"] >= 0.95


def test_isotropy_is_the_mean_cosine_of_all_pairs(populated):
    for row in rows(populated, "isotropy"):
        states = states_of("test", row["layer"])
        assert row["mean_cosine"] == pytest.approx(np.mean(1 - pdist(states, "cosine")), abs=1e-6)
        assert row["mean_norm"] == pytest.approx(np.linalg.norm(states, axis=1).mean(), rel=1e-6)
        assert row["states"] == len(states)


def test_step_costs_add_up_to_the_lake(populated):
    result = rows(populated, "step-costs")
    (total,) = query(
        populated, "select sum(bytes)::bigint as bytes, count(*) as partitions from partitions"
    ).to_pylist()
    assert {key: sum(row[key] for row in result) for key in total} == total
    (fits,) = rows(populated, "step-costs", step="predictions")
    assert fits["seconds"] == len(FITS) * sum(0.5 + seed for seed in range(SEEDS))


def test_lineage_goes_from_a_figure_to_every_byte_behind_it(populated):
    result = rows(populated, "lineage", method="vocabulary_calibrator")
    lake = Lake(populated)
    used = [
        m
        for m in lake.manifests()
        if m.kind in ("states", "anchors") or m.coordinates.get("method") == "vocabulary_calibrator"
    ]
    used += [m for m in lake.manifests("examples") if m.coordinates["dataset"] == "mr"]
    hashes = {entry.sha256 for manifest in used for entry in manifest.files}
    assert {row["sha256"] for row in result if row["step"] != "source"} == hashes
    assert [row["step"] for row in result if row["depth"] == 0] == ["metrics"]
    assert {row["path"] for row in result if row["step"] == "source"} == {"hf:x/y@z"}


def test_freshness_counts_what_is_behind_the_latest_run(populated):
    (row,) = rows(populated, "freshness")
    # the run, metrics and predictions of four fits, three splits of states, anchors, examples
    assert (row["experiment"], row["partitions"], row["missing_inputs"], row["runs"]) == ("small", 1 + 8 + 5, 0, 1)
    assert 0 <= row["hours_old"] < 24


def test_failed_checks_are_listed_with_their_severity(populated):
    (row,) = rows(populated, "failed-checks")
    assert (row["step"], row["dataset"], row["statement"]) == ("examples", "trec", "every class in test")
    assert (row["severity"], row["detail"]) == ("warn", "1 of 2")
