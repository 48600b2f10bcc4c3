"""A champion of numbers: registered by R², loaded, served, and scoring files, as the lake has it."""

import asyncio
import json
import re
from types import SimpleNamespace

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import ModelCard
from sklearn.metrics import r2_score

from flows.cli.champions import champion_lines
from flows.cli.models import _predict_texts
from flows.reporting.hub_card import hub_card
from flows.reporting.report import latest_run
from tasks.batch_predict import make_job, predict_file, validate_input
from tasks.steps.lake_reads import split_rows
from tasks.tracking.packaging import load_classifier
from tasks.tracking.registered import find_classifier
from tasks.tracking.registry import compare_with_champion
from tasks.tracking.scoring_app import RequestLimits, ScoringApp
from tasks.tracking.store import store
from tests.flows.champions import recorded_champion
from tests.flows.test_continuous import NONE, make_world, rows_of
from vocabsem.errors import DataError
from vocabsem.text_models.text_classifier import TextClassifier
from warehouse.catalog import reads

pytestmark = pytest.mark.medium
MODEL = "vocabsem-rated"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A recorded run of texts with numbers, its champion registered: plan, registration."""
    folder = tmp_path_factory.mktemp("numbers")
    methods = ["ridge_regression", NONE, "tfidf_ridge"]
    world = make_world(folder, champion=True, datasets=[str(folder / "rated.yaml")], methods=methods)
    return recorded_champion(world)


@pytest.fixture(scope="module")
def expected(made):
    """Texts of the test rows, and what the lake has of them from the champion's first seed."""
    plan, registered = made
    (fit,) = (fit for fit in plan.fits if fit.predictions.key == registered.predictions)
    stored = rows_of(plan, fit)
    stored = stored[(stored.split == "test") & (stored.seed == 0)]
    table = split_rows(plan.home, "rated", fit.examples.key, "test", ["id", "text"])
    assert table["id"].to_pylist() == stored["id"].tolist()
    return SimpleNamespace(fit=fit, texts=table["text"].to_pylist(), values=stored.predicted_value.to_numpy())


def validation_r2(plan, fit):
    """Mean over the seeds, by scikit-learn."""
    rows = rows_of(plan, fit)
    rows = rows[rows.split == "validation"]
    return np.mean([r2_score(part.value, part.predicted_value) for _, part in rows.groupby("seed")])


def test_the_best_by_validation_r2_is_registered_of_methods_over_states(made, expected):
    plan, registered = made
    assert (registered.name, registered.alias) == (MODEL, "champion")
    over_states = [fit for fit in plan.fits if fit.method == "ridge_regression" and not fit.control]
    assert len(over_states) < len(plan.fits)
    scores = [validation_r2(plan, fit) for fit in over_states]
    assert validation_r2(plan, expected.fit) == pytest.approx(max(scores))
    (line,) = champion_lines(reads.best_by_validation(plan.home, plan.run.key), [registered])
    assert f"the highest R² on validation data, {max(scores):.3f}, of {len(scores)} fits that are no controls" in line


def test_it_answers_with_the_stored_numbers_alone(made, expected):
    frame = load_classifier(made[0].home, MODEL).predict(pd.DataFrame({"text": expected.texts}))
    assert list(frame.columns) == ["value"]
    np.testing.assert_allclose(frame["value"], expected.values, rtol=1e-5, atol=1e-6)
    assert len(set(expected.values)) > 10


def test_from_python_it_has_no_probabilities(made, expected):
    classifier = TextClassifier(find_classifier(made[0].home, MODEL).classifier)
    rows = [{"text": text} for text in expected.texts]
    np.testing.assert_allclose(classifier.predict(rows)["value"], expected.values, rtol=1e-5, atol=1e-6)
    assert classifier.predict([])["value"].shape == (0,)
    with pytest.raises(DataError, match="predicts numbers, which have no probabilities"):
        classifier.predict_proba(rows)
    with pytest.raises(DataError, match="row 0"):
        classifier.predict([{"text": " "}])


def test_mlflow_knows_what_it_predicts(made):
    home, registered = made[0].home, made[1]
    columns = load_classifier(home, MODEL).metadata.signature.outputs.to_dict()
    assert columns == [{"type": "double", "name": "value", "required": True}]
    with store(home) as client:
        assert client.get_registered_model(MODEL).description == "Text to a number."
        described = client.get_model_version(MODEL, registered.version).description
    assert re.search(r"ridge_regression.*: R² -?\d\.\d{3} on test data of rated\.", described)


def test_over_http_it_is_a_number(made, expected):
    app = ScoringApp(
        load_classifier(made[0].home, MODEL), RequestLimits(texts=50, characters=1000, megabytes=1, seconds=60)
    )

    async def post():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://model") as client:
            return await client.post("/invocations", json={"inputs": expected.texts})

    answers = asyncio.run(post()).json()["predictions"]
    assert {tuple(each) for each in answers} == {("value",)}
    np.testing.assert_allclose([each["value"] for each in answers], expected.values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_file_gets_a_column_of_numbers(made, expected, tmp_path, suffix):
    given, output = tmp_path / "texts.parquet", tmp_path / f"scored.{suffix}"
    pq.write_table(pa.table({"text": expected.texts}), given)
    job = make_job(made[0].home, MODEL, str(given), str(output))
    assert predict_file.fn(made[0].home, job, *validate_input(job)) == len(expected.texts)
    scored = pq.read_table(output).to_pandas() if suffix == "parquet" else pd.read_csv(output)
    assert list(scored.columns) == ["text", "predicted"]
    np.testing.assert_allclose(scored.predicted, expected.values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_prints_numbers(made, expected, monkeypatch, capfdbinary, as_json):
    monkeypatch.setenv("VOCABSEM_HOME", str(made[0].home.root))
    _predict_texts(MODEL, expected.texts, as_json, "cpu")
    out = capfdbinary.readouterr().out.decode()
    printed = [row["value"] for row in json.loads(out)] if as_json else list(map(float, out.splitlines()[2:]))
    np.testing.assert_allclose(printed, expected.values, rtol=1e-5, atol=1e-3)


def test_another_contender_is_compared_by_r2_on_the_same_rows(made, expected):
    plan, registered = made
    with store(plan.home) as client:
        holder = client.get_model_version(MODEL, registered.version)
    other = next(fit for fit in plan.fits if fit.shots == 0)
    assert other.predictions.key != registered.predictions
    decision = compare_with_champion(plan.home, other, holder)
    gain = validation_r2(plan, other) - validation_r2(plan, expected.fit)
    assert decision.difference.value == pytest.approx(gain)
    assert decision.why.startswith("R² on validation data ")


def test_its_card_for_the_hub_has_r2_and_spearman(made):
    home = made[0].home
    card = ModelCard(hub_card(home, latest_run(home, "tiny")))
    (best,) = (row for row in reads.run_scores(home, made[0].run.key) if row["key"] == champion_metrics(*made))
    values = {each.metric_type: each.metric_value for each in card.data.eval_results}
    assert values == {"r_squared": best["r2"], "spearmanr": best["spearman"]}
    assert "| R² [95 %] |" in card.text
    assert "highest R² on validation data" in card.text


def champion_metrics(plan, registered):
    return next(fit.metrics.key for fit in plan.fits if fit.predictions.key == registered.predictions)
