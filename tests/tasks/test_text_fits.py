"""A method over texts as a task: equal to calling it, on the examples that every method sees."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from tasks.metrics import score
from tasks.steps.kinds import spec_of
from tasks.steps.predictions import calibrator_file
from tasks.steps.specs import TextFitSpec
from tasks.text_fits import fit_text_method
from tests.tasks.worlds import World, compute
from vocabsem.errors import CardError
from vocabsem.methods import TfidfProbe
from warehouse.lake.partition import Lake


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("texts"), experiment={"methods": ["tfidf", "ridge"], "shots": [0, 2, "all"]})
    plan = world.plan()
    compute(plan, ["examples", "anchors", "states"])
    return plan


def fitted(plan):
    (pair,) = plan.pairs
    return [fit for fit in pair.fits if fit.name == "tfidf"]


def test_it_reads_texts_alone_and_cannot_be_served(plan):
    fits = fitted(plan)
    assert [fit.shots for fit in fits] == [2, "all"]
    assert not any(fit.servable for fit in fits)
    assert all(fit.predictions.inputs == {"examples": fit.examples.key} for fit in fits)


def test_predictions_are_the_estimators_own_and_learn_from_no_test_text(plan):
    (pair,), (few, whole) = plan.pairs, fitted(plan)
    steps = [few.predictions, whole.predictions]
    assert fit_text_method.fn(plan.home, pair.dataset, "tfidf", steps) == [step.key for step in steps]
    rows = few.examples.partition(Lake(plan.home)).table().to_pylist()
    text = {row["id"]: dict(row["fields"])["text"] for row in rows}
    training = pq.read_table(few.predictions.partition(Lake(plan.home)).file("training.parquet")).to_pylist()
    truth = {row["id"]: row["label"] for row in rows}
    terms = [text[row["id"]] for row in rows if row["split"] == "train"]
    for seed in (0, 1):
        seen = [row["id"] for row in training if row["seed"] == seed]
        assert sorted(truth[each] for each in seen) == [0, 0, 1, 1, 2, 2]
        expected = TfidfProbe().fit([text[each] for each in seen], [truth[each] for each in seen], terms)
        stored = [r for r in few.predictions.partition(Lake(plan.home)).table().to_pylist() if r["seed"] == seed]
        assert {r["split"] for r in stored} == {"validation", "test"}
        probabilities = expected.predict_proba([text[r["id"]] for r in stored])
        assert np.allclose([r["probabilities"] for r in stored], probabilities, atol=1e-6)
        if seed == 0:
            weights = load_file(calibrator_file(plan.home, few.predictions))
            assert bytes(weights["terms_"]).decode().split("\n") == list(expected.terms_)
            assert np.array_equal(weights["coef_"], expected.coef_)
    manifest = few.predictions.partition(Lake(plan.home)).manifest()
    assert spec_of(manifest) == few.predictions.spec
    assert isinstance(few.predictions.spec, TextFitSpec)
    score.fn(plan.home, pair.dataset.name, [(few.predictions, few.metrics)])
    assert plan.published(few.metrics)


def test_demonstrations_are_refused(tmp_path):
    shown = {"method": "tfidf", "demonstrations": 1}
    with pytest.raises(CardError, match="tfidf reads texts without them"):
        World(tmp_path, experiment={"methods": [shown]}).plan()


def test_the_seconds_of_a_fit_are_without_its_predictions(plan, monkeypatch):
    """A clock that only predictions move."""
    (pair,), (few, _) = plan.pairs, fitted(plan)
    clock = [0.0]
    monkeypatch.setattr("tasks.text_fits.time.perf_counter", lambda: clock[0])
    predict = TfidfProbe.predict_proba

    def slow(self, X):
        clock[0] += 5
        return predict(self, X)

    monkeypatch.setattr(TfidfProbe, "predict_proba", slow)
    published = []
    monkeypatch.setattr("tasks.text_fits.publish_predictions", lambda *given: published.append(given))
    fit_text_method.fn(plan.home, pair.dataset, "tfidf", [few.predictions])
    assert [each.fit_seconds for each in published[0][-1]] == [0, 0]
    assert clock[0] == 20
