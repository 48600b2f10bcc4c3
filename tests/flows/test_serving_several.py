"""A champion of any number of labels a text: registered, loaded, served, and scoring files, as the lake has it."""

import asyncio
import json
from types import SimpleNamespace

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.cli.models import _predict_texts
from tasks.batch_predict import make_job, predict_file, validate_input
from tasks.steps.lake_reads import split_rows
from tasks.tracking.packaging import load_classifier
from tasks.tracking.registry import compare_with_champion
from tasks.tracking.scoring_app import RequestLimits, ScoringApp
from tasks.tracking.store import store
from tests.flows.champions import recorded_champion
from tests.flows.test_several_labels import make_world, rows_of, stacked
from tests.tasks.worlds import TOPICAL

pytestmark = pytest.mark.medium
NAMES = list(TOPICAL)
MODEL = "vocabsem-several"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A recorded run of texts with any number of labels, its champion registered: plan, registration."""
    folder = tmp_path_factory.mktemp("serving")
    world = make_world(folder, champion=True, datasets=[str(folder / "several.yaml")], methods=["multi_ridge"])
    return recorded_champion(world)


@pytest.fixture(scope="module")
def expected(made):
    """Texts of the test rows, and what the lake has of them from the champion's first seed."""
    plan, registered = made
    (fit,) = (fit for fit in plan.fits if fit.predictions.key == registered.predictions)
    stored = rows_of(plan, fit)
    stored = stored[(stored.split == "test") & (stored.seed == 0)]
    table = split_rows(plan.home, "several", fit.examples.key, "test", ["id", "text"])
    assert table["id"].to_pylist() == stored["id"].tolist()
    sets = [[name for name, there in zip(NAMES, row, strict=True) if there] for row in stored.predicted_labels]
    assert len({len(each) for each in sets}) > 1, "sets of several sizes"
    return SimpleNamespace(
        fit=fit, texts=table["text"].to_pylist(), sets=sets, probabilities=stacked(stored.probabilities)
    )


def test_the_best_by_validation_macro_f1_is_registered(made, expected):
    plan, registered = made
    assert (registered.name, registered.alias) == (MODEL, "champion")
    scores = {
        fit.predictions.key: np.mean([
            row["value"] for row in fit.metrics.partition(plan.lake).table().to_pylist()
            if (row["split"], row["metric"]) == ("validation", "macro_f1") and row["seed"] is not None
        ])
        for fit in plan.fits
    }  # fmt: skip
    assert scores[registered.predictions] == max(scores.values())


def test_it_answers_with_the_stored_sets_and_a_probability_a_label(made, expected):
    frame = load_classifier(made[0].home, MODEL).predict(pd.DataFrame({"text": expected.texts}))
    assert list(frame.columns) == ["labels", *NAMES]
    assert frame["labels"].tolist() == expected.sets
    np.testing.assert_allclose(frame[NAMES], expected.probabilities, atol=1e-6)
    assert not np.allclose(frame[NAMES].sum(axis=1), 1), "each by itself"


def test_its_signature_has_a_list_of_labels(made):
    columns = load_classifier(made[0].home, MODEL).metadata.signature.outputs.to_dict()
    assert columns[0] == {"type": "array", "items": {"type": "string"}, "name": "labels", "required": True}
    assert [(each["name"], each["type"]) for each in columns[1:]] == [(name, "double") for name in NAMES]


def test_over_http_a_set_is_a_list(made, expected):
    app = ScoringApp(
        load_classifier(made[0].home, MODEL), RequestLimits(texts=50, characters=1000, megabytes=1, seconds=60)
    )

    async def post():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://model") as client:
            return await client.post("/invocations", json={"inputs": expected.texts})

    answers = asyncio.run(post()).json()["predictions"]
    assert [each["labels"] for each in answers] == expected.sets
    np.testing.assert_allclose([[each[name] for name in NAMES] for each in answers], expected.probabilities, atol=1e-6)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_file_gets_a_list_a_row_in_csv_as_json(made, expected, tmp_path, suffix):
    given, output = tmp_path / "texts.parquet", tmp_path / f"scored.{suffix}"
    pq.write_table(pa.table({"text": expected.texts}), given)
    job = make_job(made[0].home, MODEL, str(given), str(output))
    assert predict_file.fn(made[0].home, job, *validate_input(job)) == len(expected.texts)
    scored = pq.read_table(output).to_pandas() if suffix == "parquet" else pd.read_csv(output)
    assert list(scored.columns) == ["text", "predicted", *(f"p_{name}" for name in NAMES)]
    sets = [list(each) for each in scored.predicted] if suffix == "parquet" else scored.predicted.map(json.loads)
    assert list(sets) == expected.sets
    np.testing.assert_allclose(scored[[f"p_{name}" for name in NAMES]], expected.probabilities, atol=1e-6)


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_prints_sets(made, expected, monkeypatch, capfdbinary, as_json):
    monkeypatch.setenv("VOCABSEM_HOME", str(made[0].home.root))
    _predict_texts(MODEL, expected.texts, as_json, "cpu")
    out = capfdbinary.readouterr().out.decode()
    if as_json:
        assert [row["labels"] for row in json.loads(out)] == expected.sets
    else:
        printed = [line.split("]")[0] + "]" for line in out.splitlines()[2:]]
        assert printed == [f"[{', '.join(each)}]" for each in expected.sets]


def test_another_contender_is_compared_by_macro_f1_on_the_same_rows(made, expected):
    plan, registered = made
    with store(plan.home) as client:
        holder = client.get_model_version(MODEL, registered.version)
    other = next(fit for fit in plan.fits if fit.shots == 0)
    assert other.predictions.key != registered.predictions
    decision = compare_with_champion(plan.home, other, holder)
    values = []
    for fit in (other, expected.fit):
        rows = fit.metrics.partition(plan.lake).table().to_pylist()
        (mean,) = (r["value"] for r in rows if (r["split"], r["metric"], r["seed"]) == ("validation", "macro_f1", None))
        values.append(mean)
    assert decision.difference.value == pytest.approx(values[0] - values[1])
