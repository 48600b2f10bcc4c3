"""What an experiment found, as the views state it: places among the methods, and what the vocabulary is worth."""

import math
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from tests.warehouse.lakes import CONTRASTS, DATASETS, METHODS, MODELS, put, put_comparisons, put_run
from warehouse.catalog.catalog import query, rebuild
from warehouse.home import Home
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium


def rows(home, sql):
    return query(home, sql).to_pylist()


def put_score(lake, dataset, method, shots, macro_f1, model="tiny", **others):
    """Metrics of one fit, over the seeds: macro-F1 with an interval of ±.1, and other figures."""
    figures = {"macro_f1": macro_f1} | others
    schema = pa.schema([("split", pa.string()), ("seed", pa.int32()), ("metric", pa.string())])
    for name in ("value", "low", "high", "spread"):
        schema = schema.append(pa.field(name, pa.float64()))
    rows = [("test", None, metric, value, value - 0.1, value + 0.1, 0.0) for metric, value in figures.items()]
    table = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    return put(lake, "metrics", {"part-0.parquet": table}, model=model, dataset=dataset, method=method, shots=shots)


def test_comparisons_are_those_of_the_lake(filled):
    result = rows(filled, "from comparisons")
    assert len(result) == len(MODELS) * len(DATASETS) * len(METHODS["linear_probe"]) * len(CONTRASTS)
    assert {row["shots"]: row["shots_order"] for row in result} == {"4": 4, "16": 16, "all": math.inf}
    names = ("question", "method", "reference", "metric", "difference", "low", "high", "p", "p_holm")
    cell = [row for row in result if (row["model"], row["dataset"], row["shots"]) == ("tiny", "mr", "16")]
    renamed = [(question.replace("rival", "baseline"), *rest) for question, *rest in CONTRASTS]
    assert [tuple(row[name] for name in names) for row in cell] == renamed
    (manifest,) = [
        m for m in Lake(filled).manifests("comparisons") if list(m.coordinates.values()) == ["tiny", "mr", "16"]
    ]
    assert {row["key"] for row in cell} == {manifest.key}


def test_what_the_vocabulary_is_worth_is_reported_in_macro_f1_by_shots(filled):
    result = rows(filled, "from anchor_gains where model = 'small' and dataset = 'trec'")
    assert [row["shots"] for row in result] == [shots for shots in ("4", "16", "all") for _ in range(3)]
    messages = [
        (row["method"], row["vectors"], row["over"], row["difference"], row["low"], row["high"]) for row in result
    ]
    expected = [
        ("ours", "anchors", "random", 0.25, 0.125, 0.375),
        ("ours", "anchors", "none", 0.5, 0.25, 0.75),
        ("ours", "anchors", "head", -0.01, -0.03, 0.01),
    ]
    assert messages == expected * 3
    assert {row["experiment"] for row in result} == {"quickstart"}


def test_only_the_latest_run_of_an_experiment_counts(home, lake):
    old, new = (
        put_comparisons(lake, "tiny", "mr", "4", [(*CONTRASTS[2][:4], value, 0.0, 1.0, 0.5, None)], extra=value)
        for value in (0.1, 0.2)
    )
    put_run(lake, "one", [], [old])
    time.sleep(0.002)  # manifests state milliseconds
    put_run(lake, "one", [put_score(lake, "mr", "ours", "4", 0.5)], [new], extra=1)
    put_run(lake, "two", [], [old])
    rebuild(home)
    result = {row["experiment"]: row["difference"] for row in rows(home, "from anchor_gains")}
    assert result == {"one": 0.2, "two": 0.1}
    assert [(row["experiment"], row["average_rank"]) for row in rows(home, "from ranks")] == [("one", 1.0)]


@given(st.lists(st.lists(st.integers(0, 4), min_size=4, max_size=4), min_size=1, max_size=4))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_places_are_those_of_scipy_with_ties_shared(tmp_path_factory, scores):
    """scores (D, M): few values, so that many are equal."""
    home = Home(tmp_path_factory.mktemp("ranks"))
    made = [
        put_score(Lake(home), f"set{d}", f"method{m}", "4", score / 4)
        for d, each in enumerate(scores)
        for m, score in enumerate(each)
    ]
    put_run(Lake(home), "tiny", made, unlabeled=["method1", "method2"])
    rebuild(home)
    expected = rankdata(-np.array(scores), axis=1).mean(axis=0)
    peers = {m: rankdata(-np.array(scores)[:, pair], axis=1).mean(axis=0) for pair in ([1, 2], [0, 3]) for m in pair}
    result = rows(home, "from ranks")
    assert {row["method"]: row["average_rank"] for row in result} == pytest.approx(
        {f"method{m}": rank for m, rank in enumerate(expected)}
    )
    within = {f"method{m}": ranks[int(m > 1)] for m, ranks in peers.items()}  # the second of either pair is 2 or 3
    assert {row["method"]: row["average_peer_rank"] for row in result} == pytest.approx(within)
    assert {row["method"] for row in result if row["unlabeled"]} == {"method1", "method2"}
    assert {row["datasets"] for row in result} == {len(scores)}
    assert [row["average_rank"] for row in result] == sorted(expected)


def test_shots_and_models_are_ranked_apart(home, lake):
    made = [put_score(lake, "mr", method, n, f1) for n in ("4", "all") for method, f1 in (("one", 0.5), ("two", 0.25))]
    made.append(put_score(lake, "mr", "two", "4", 0.75, model="small"))
    put_run(lake, "tiny", made)
    rebuild(home)
    result = {(row["model"], row["shots"], row["method"]): row["average_rank"] for row in rows(home, "from ranks")}
    assert result == {
        ("tiny", "4", "one"): 1,
        ("tiny", "4", "two"): 2,
        ("tiny", "all", "one"): 1,
        ("tiny", "all", "two"): 2,
        ("small", "4", "two"): 1,
    }
