"""A finished experiment on record: the run's manifest, then what follows from it: MLflow's runs and the champion."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from flows.planning.experiment import MethodSpec
from flows.planning.plan import Plan
from tasks.log_run import log_run
from tasks.record import record_run
from tasks.steps.facts import ExamplesFacts, facts_of
from tasks.tracking.active_run import active_run
from tasks.tracking.outcome import followed_up, registrations
from tasks.tracking.packaging import find_classifier, load_classifier
from tasks.tracking.store import store
from tests.tasks.test_fits import predictions_of
from tests.tasks.test_metrics import figures_of
from tests.tasks.worlds import World, compute, half_written, with_store
from vocabsem.errors import CardError
from warehouse.catalog.catalog import rebuild
from warehouse.errors import CorruptPartition
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium


def record(plan, flow_run=""):
    """Record the run and do what follows, as the pipeline does. Returns the MLflow run and what was registered."""
    card, manifest = plan.experiment.model_dump(mode="json"), plan.run.partition(Lake(plan.home)).manifest()
    resumed = manifest.facts["mlflow_run_id"] if manifest else None
    with active_run(plan.home, card, plan.run.key, resumed, flow_run) as run_id:
        record_run.fn(plan.home, card, plan.run, time.time() - 5, flow_run, run_id, ["anchor_similarity"])
        return run_id, follow_up(plan, run_id)


def follow_up(plan, run_id):
    rebuild(plan.home)
    card = plan.experiment
    return log_run.fn(plan.home, plan.fits, plan.run.key, run_id, card.shard_rows, card.champion)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A plan computed and recorded, and MLflow's id of the run."""
    plan = with_store(World(tmp_path_factory.mktemp("recorded"))).plan()
    compute(plan)
    return plan, record(plan, "a-flow-run")[0]


def best_by(plan, split, *, controls):
    """All (method, shots) with the highest macro-F1, read from the metrics themselves."""
    scores = {
        (fit.name, fit.shots): figures_of(plan, fit)[split, None, "macro_f1"]["value"]
        for fit in plan.pairs[0].fits
        if controls or not fit.control
    }
    return {fit for fit, score in scores.items() if score == max(scores.values())}


def champion_of(plan):
    (champion,) = registrations(plan.home, plan.run.key)
    (fit,) = (fit for fit in plan.pairs[0].fits if fit.predictions.key == champion.predictions)
    return champion, (fit.name, fit.shots)


def test_the_champion_is_the_best_on_validation_data_not_on_test_data(recorded):
    plan, _ = recorded
    champion, chosen = champion_of(plan)
    assert chosen in best_by(plan, "validation", controls=False)
    assert chosen not in best_by(plan, "test", controls=False), "a world in which the choice matters"
    assert champion.model == "vocabsem-made@champion"
    assert champion.why == "registered as champion (first model of this name)"
    assert (champion.method, champion.shots) == (chosen[0], str(chosen[1]))


def test_a_control_is_never_champion(recorded):
    plan, _ = recorded
    best = {method for method, _ in best_by(plan, "validation", controls=False)}
    methods = [
        MethodSpec(**spec.model_dump() | {"control": spec.name in best or spec.control})
        for spec in plan.experiment.methods
    ]
    experiment = plan.experiment.model_copy(update={"name": "controls", "methods": methods})
    controls = {spec.name for spec in methods if spec.is_control}
    (pair,) = plan.pairs
    fits = [replace(fit, control=fit.name in controls) for fit in pair.fits]
    other = Plan(experiment, plan.home, None, [replace(pair, fits=fits)], [])
    assert other.run.key != plan.run.key
    assert {method for method, _ in best_by(other, "validation", controls=True)} <= controls, (
        "the best are controls now"
    )
    record(other)
    assert champion_of(other)[1] in best_by(other, "validation", controls=False)
    assert champion_of(other)[1][0] not in controls


def test_without_validation_data_no_champion_can_be_requested(tmp_path):
    world = World(tmp_path, dataset={"split": {}})
    with pytest.raises(CardError, match="chosen on validation data, and dataset 'made' has none"):
        world.plan()
    assert set(world.plan(champion=False).pairs[0].states) == {"train", "test"}


def test_the_champion_gives_the_probabilities_that_were_scored(tmp_path, recorded):
    plan, _ = recorded
    champion, (name, shots) = champion_of(plan)
    (fit,) = (f for f in plan.pairs[0].fits if (f.name, f.shots) == (name, shots))
    ids, _, predicted, probabilities = predictions_of(plan, fit)[0]
    examples = plan.pairs[0].examples.partition(Lake(plan.home)).table().to_pylist()
    texts = {row["id"]: row["text"] for row in examples}
    classifier = load_classifier(plan.home, f"vocabsem-made/{champion.version}")
    frame = classifier.predict(pd.DataFrame({"text": [texts[i] for i in ids]}))
    np.testing.assert_allclose(frame[["neg", "pos", "tale"]], probabilities, atol=1e-5)
    assert frame["label"].tolist() == [["neg", "pos", "tale"][p] for p in predicted]


def test_the_manifest_describes_the_run(recorded):
    plan, run_id = recorded
    manifest = plan.run.partition(Lake(plan.home)).manifest()
    assert manifest.facts["mlflow_run_id"] == run_id
    assert manifest.facts["prefect_flow_run_id"] == "a-flow-run"
    assert manifest.facts["seconds"] >= 5
    assert manifest.facts["card"] == plan.experiment.model_dump(mode="json")
    protocol = manifest.facts["protocol"]
    assert protocol["version"] == 1
    assert ["seeds", "[0, 1, 2, 3, 4]", "[0, 1]"] in protocol["deviations"]
    (pair,) = plan.pairs
    expected = {f"metrics:{i}": fit.metrics.key for i, fit in enumerate(pair.fits)}
    expected |= {f"comparisons:{i}": step.key for i, step in enumerate(pair.compared)}
    assert manifest.inputs == expected
    assert manifest.files == []
    assert manifest.facts.keys().isdisjoint({"champions", "challengers"}), "these follow from it"


def test_mlflow_has_a_run_for_every_method_with_its_figures_by_shots(recorded):
    plan, run_id = recorded
    with store(plan.home) as client:
        parent = client.get_run(run_id)
        children = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["vocabsem.key"] == plan.run.key
    fits = plan.pairs[0].fits
    assert sorted(child.data.params["label"] for child in children) == sorted({fit.name for fit in fits})
    histories = {}
    with store(plan.home) as client:
        for child in children:
            for name in child.data.metrics:
                for point in client.get_metric_history(child.info.run_id, name):
                    histories.setdefault((child.data.params["label"], point.step), {})[name] = point.value
    counts = facts_of(plan.pairs[0].examples.partition(Lake(plan.home)).manifest(), ExamplesFacts).counts["train"]
    everything = round(sum(counts.values()) / len(counts))
    for fit in fits:
        child = next(child for child in children if child.data.params["label"] == fit.name)
        figures = figures_of(plan, fit)
        shown = {metric: figures["test", None, metric]["value"] for metric in ("accuracy", "macro_f1", "nll", "ece")}
        shown |= {f"macro_f1_{side}": figures["test", None, "macro_f1"][side] for side in ("low", "high")}
        shown["validation_macro_f1"] = figures["validation", None, "macro_f1"]["value"]
        logged = histories[fit.name, everything if fit.shots == "all" else fit.shots]
        assert {name: logged.get(name) for name in shown} == pytest.approx(shown)
        assert logged.keys() - shown.keys() <= {"fit_seconds"}
        assert child.data.tags["control"] == str(fit.control).lower()
        assert fit.predictions.key in child.data.tags.values()
        (data,) = child.inputs.dataset_inputs
        assert plan.pairs[0].examples.key.startswith(data.dataset.digest)


def test_the_version_has_figures_a_description_an_input_example_and_a_signature(recorded):
    plan, _ = recorded
    champion, (name, shots) = champion_of(plan)
    (fit,) = (fit for fit in plan.pairs[0].fits if (fit.name, fit.shots) == (name, shots))
    with store(plan.home) as client:
        version = client.get_model_version("vocabsem-made", champion.version)
        model = client.get_logged_model(version.source.removeprefix("models:/"))
        f1 = figures_of(plan, fit)["test", None, "macro_f1"]["value"]
        assert {metric.key: metric.value for metric in model.metrics}["macro_f1"] == pytest.approx(f1)
        assert version.description.startswith(f"`{name}` at {shots} labeled examples per class, on states of tiny")
        assert f"macro-F1 {f1:.3f} on test data of made" in version.description
        classifier = load_classifier(plan.home, f"vocabsem-made/{champion.version}")
    assert classifier.metadata.signature.inputs.input_names() == ["text"]
    example = classifier.metadata.load_input_example(str(find_classifier(plan.home, champion.model).folder))
    (text,) = example["text"]
    examples = plan.pairs[0].examples.partition(Lake(plan.home)).table().to_pylist()
    assert text in {row["text"] for row in examples if row["split"] == "train"}


def test_follow_ups_that_fail_half_way_leave_the_record_and_are_completed_the_next_time(recorded):
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
    manifest = other.run.partition(Lake(plan.home)).path / "manifest.json"
    before = manifest.read_bytes()
    assert not followed_up(plan.home, other.run.key)
    assert not half_written(plan.home)
    run_id, registered = record(other)
    assert followed_up(plan.home, other.run.key)
    assert registrations(plan.home, other.run.key) == registered
    assert manifest.read_bytes() == before
    assert other.run.partition(Lake(plan.home)).manifest().facts["mlflow_run_id"] == run_id
    with store(plan.home) as client:
        runs = client.search_runs([client.get_experiment_by_name("other").experiment_id])
        versions = client.search_model_versions("name = 'vocabsem-made'")
    assert len(runs) == 1 + len({fit.name for fit in plan.pairs[0].fits}), "nothing is there twice"
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert [version.tags["predictions"] for version in versions].count(registered[0].predictions) == 1


def test_what_was_never_scored_cannot_be_recorded(tmp_path):
    plan = World(tmp_path, experiment={"methods": ["zero_shot"], "shots": [0]}).plan()
    assert not plan.readable(plan.run)
    assert not plan.done
