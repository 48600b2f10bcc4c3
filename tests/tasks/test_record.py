"""A finished experiment on record: MLflow's runs, the champion, and the run's manifest, which comes last."""

import time
from dataclasses import replace

import numpy as np
import pytest

from flows.planning.experiment import MethodSpec
from flows.planning.plan import Plan
from tasks.record import read_scores, record_run
from tasks.tracking.packaging import load_classifier
from tasks.tracking.store import store
from tests.tasks.test_fits import predictions_of
from tests.tasks.test_metrics import figures_of
from tests.tasks.worlds import World, compute, half_written, with_store
from vocabsem.errors import CardError
from warehouse.errors import CorruptPartition, NotPublished
from warehouse.lake.partition import Lake


def record(plan, flow_run=""):
    card = plan.experiment.model_dump(mode="json")
    return record_run.fn(plan.home, card, plan.fits, plan.run, time.time() - 5, flow_run)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A plan computed and recorded, and MLflow's id of the run."""
    plan = with_store(World(tmp_path_factory.mktemp("recorded"))).plan()
    compute(plan)
    return plan, record(plan, "a-flow-run")


def best_by(plan, split, *, controls):
    """(method, shots) with the highest macro-F1, read from the metrics themselves."""
    scores = {
        (fit.name, fit.shots): figures_of(plan, fit)[split, None, "macro_f1"]["value"]
        for fit in plan.pairs[0].fits
        if controls or not fit.control
    }
    return max(scores, key=scores.__getitem__)


def champion_of(plan):
    facts = plan.run.partition(Lake(plan.home)).manifest().facts
    (champion,) = facts["champions"] + facts["challengers"]
    (fit,) = (fit for fit in plan.pairs[0].fits if fit.predictions.key == champion["key"])
    return champion, (fit.name, fit.shots)


def test_the_champion_is_the_best_on_validation_data_not_on_test_data(recorded):
    plan, _ = recorded
    champion, chosen = champion_of(plan)
    assert chosen == best_by(plan, "validation", controls=False)
    assert chosen != best_by(plan, "test", controls=False), "a world in which the choice matters"
    assert champion["model"] == "vocabsem-made@champion"
    assert champion["seed"] == 0


def test_a_control_is_never_champion(recorded):
    plan, _ = recorded
    champion = best_by(plan, "validation", controls=False)[0]
    methods = [
        MethodSpec(**spec.model_dump() | {"control": spec.name == champion or spec.control})
        for spec in plan.experiment.methods
    ]
    experiment = plan.experiment.model_copy(update={"methods": methods})
    controls = {spec.name for spec in methods if spec.is_control}
    (pair,) = plan.pairs
    fits = [replace(fit, control=fit.name in controls) for fit in pair.fits]
    other = Plan(experiment, plan.home, None, [replace(pair, fits=fits)], [])
    assert other.run.key != plan.run.key
    assert best_by(other, "validation", controls=True)[0] == champion, "the best of all is a control now"
    record(other)
    assert champion_of(other)[1] == best_by(other, "validation", controls=False)
    assert champion_of(other)[1][0] != champion


def test_without_validation_data_no_champion_can_be_asked_for(tmp_path):
    world = World(tmp_path, dataset={"split": {}})
    with pytest.raises(CardError, match="chosen on validation data, and dataset 'made' has none"):
        world.plan()
    assert set(world.plan(champion=False).pairs[0].states) == {"train", "test"}


def test_the_champion_gives_the_probabilities_that_were_scored(tmp_path, recorded):
    plan, _ = recorded
    champion, (name, shots) = champion_of(plan)
    (fit,) = (f for f in plan.pairs[0].fits if (f.name, f.shots) == (name, shots))
    ids, _, predicted, probabilities = predictions_of(plan, fit)[champion["seed"]]
    examples = plan.pairs[0].examples.partition(Lake(plan.home)).table().to_pylist()
    texts = {row["id"]: row["text"] for row in examples}
    frame = load_classifier(plan.home, f"vocabsem-made/{champion['version']}").predict([texts[i] for i in ids])
    np.testing.assert_allclose(frame[["neg", "pos", "tale"]], probabilities, atol=1e-5)
    assert frame["label"].tolist() == [["neg", "pos", "tale"][p] for p in predicted]


def test_the_manifest_tells_of_the_run(recorded):
    plan, run_id = recorded
    manifest = plan.run.partition(Lake(plan.home)).manifest()
    assert manifest.facts["mlflow_run_id"] == run_id
    assert manifest.facts["prefect_flow_run_id"] == "a-flow-run"
    assert manifest.facts["seconds"] >= 5
    assert manifest.facts["card"] == plan.experiment.model_dump(mode="json")
    (pair,) = plan.pairs
    expected = {f"metrics:{i}": fit.metrics.key for i, fit in enumerate(pair.fits)}
    expected |= {f"comparisons:{i}": step.key for i, step in enumerate(pair.compared)}
    assert manifest.inputs == expected
    assert manifest.files == []


def test_mlflow_has_a_run_for_every_row_with_its_data(recorded):
    plan, run_id = recorded
    with store(plan.home) as client:
        parent = client.get_run(run_id)
        children = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["vocabsem.key"] == plan.run.key
    fits = {fit.predictions.key: fit for fit in plan.pairs[0].fits}
    assert {child.data.tags["key.predictions"] for child in children} == set(fits)
    for child in children:
        fit = fits[child.data.tags["key.predictions"]]
        figures = figures_of(plan, fit)
        shown = {metric: figures["test", None, metric]["value"] for metric in ("accuracy", "macro_f1", "nll", "ece")}
        shown |= {f"macro_f1_{side}": figures["test", None, "macro_f1"][side] for side in ("low", "high")}
        shown["validation_macro_f1"] = figures["validation", None, "macro_f1"]["value"]
        assert {name: child.data.metrics.get(name) for name in shown} == pytest.approx(shown)
        assert child.data.metrics.keys() - shown.keys() <= {"fit_seconds"}
        assert child.data.tags["control"] == str(fit.control).lower()
        (data,) = child.inputs.dataset_inputs
        assert plan.pairs[0].examples.key.startswith(data.dataset.digest)


def test_scores_are_those_of_the_metrics(recorded):
    plan, _ = recorded
    for fit in plan.fits:
        scores, row = read_scores(plan.home, fit), figures_of(plan, fit)["test", None, "macro_f1"]
        assert scores["test"]["macro_f1"] == {name: row[name] for name in ("value", "low", "high", "spread")}
        assert set(scores) == {"validation", "test"}


def test_a_record_that_fails_half_way_is_not_published_and_is_made_whole_the_next_time(recorded):
    plan, _ = recorded
    other = Plan(plan.experiment.model_copy(update={"name": "other"}), plan.home, None, plan.pairs, [])
    _, chosen = champion_of(plan)
    (fit,) = (f for f in plan.pairs[0].fits if (f.name, f.shots) == chosen)
    weights = fit.predictions.partition(Lake(plan.home)).file("seed-0.safetensors")
    away = weights.rename(weights.with_suffix(".away"))
    try:
        with pytest.raises(CorruptPartition, match=r"seed-0\.safetensors is damaged"):
            record(other)
    finally:
        away.rename(weights)
    assert not other.published(other.run)
    assert not half_written(plan.home)
    run_id = record(other)
    assert other.published(other.run)
    assert other.run.partition(Lake(plan.home)).manifest().facts["mlflow_run_id"] == run_id


def test_what_was_never_scored_cannot_be_recorded(tmp_path):
    plan = World(tmp_path, experiment={"methods": ["zero_shot"], "shots": [0]}).plan()
    with pytest.raises(NotPublished):
        record(plan)
    assert not (plan.home.root / "mlflow.db").exists()
