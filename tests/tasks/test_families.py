"""Masked models and sentence encoders through the whole of a plan: states, anchors, methods, a packaged classifier."""

import numpy as np
import pytest
import torch

from flows.reporting.data_notes import plan_notes
from tasks.models.label_space import label_space
from tasks.steps.lake_reads import read_states
from tasks.steps.predictions import calibrator_file
from tasks.tracking.packaging import packaged_classifier
from tests.flows.command import command
from tests.tasks.worlds import World, compute, experiment_card, write_card
from tests.vocabsem.bidirectional import save
from vocabsem.errors import CardError
from vocabsem.text_models.text_classifier import TextClassifier
from warehouse.home import Home
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

METHODS = ["zero_shot", "batch_calibration", "vocabulary_calibrator", "knn_prompting"]
METHODS = [*METHODS, {"method": "zero_shot", "demonstrations": 1}, {"method": "linear_probe", "control": True}]
WORDS = [{"name": "neg", "value": "neg", "word": "bad"}, {"name": "pos", "value": "pos", "word": "positive"}]
WORDS = [*WORDS, {"name": "tale", "value": "tale", "word": "story"}]


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A causal, a masked, an encoder and an encoder–decoder model on one data set, every partition published."""
    folder = tmp_path_factory.mktemp("families")
    world = World(folder, dataset={"labels": WORDS})
    for family, architecture in (("masked", "bert"), ("encoder", "bert"), ("encoder_decoder", "bart")):
        card = save(architecture, folder / family, family=family)
        write_card(folder / f"{family}.yaml", card.model_dump(mode="json"))
    models = [str(folder / f"{name}.yaml") for name in ("model", "masked", "encoder", "encoder_decoder")]
    card = experiment_card(folder, models=models, methods=METHODS, shots=[0, 4], layers=["0.5:mean", "last"])
    write_card(folder / "experiment.yaml", card)
    plan = world.plan()
    compute(plan)
    return plan


def test_every_family_is_scored_and_what_it_does_not_serve_is_named(plan):
    assert not [step for step in plan.missing() if step.kind != "runs"]
    names = {pair.model.family: {fit.name for fit in pair.fits} for pair in plan.pairs}
    assert names["causal"] - names["masked"] == {"zero_shot+demos-1"}
    assert names["encoder_decoder"] == names["masked"]
    assert names["masked"] - names["encoder"] == {"knn_prompting"}
    assert {(model, name) for model, name, _ in plan.left_out} == {
        ("tiny-bert-masked", "zero_shot+demos-1"),
        ("tiny-bert-encoder", "knn_prompting"),
        ("tiny-bert-encoder", "zero_shot+demos-1"),
        ("tiny-bart-encoder_decoder", "zero_shot+demos-1"),
    }
    assert ("tiny-bert-encoder", "knn_prompting left out") in {
        (m, note.partition(":")[0]) for m, note in plan_notes(plan)
    }


def test_zero_shot_is_the_models_prediction(plan):
    for pair in plan.pairs[1:]:
        _, _, states = read_states(plan.home, pair.model.name, "made", "test", pair.states["test"].key)
        space = label_space(plan.home, pair.model, pair.dataset, pair.anchors.key)
        fit = next(fit for fit in pair.fits if (fit.name, fit.shots) == ("zero_shot", 0))
        table = fit.predictions.partition(Lake(plan.home)).table(["split", "probabilities"])
        stored = np.array([p for s, p in zip(*table.to_pydict().values(), strict=True) if s == "test"])
        expected = torch.softmax(torch.from_numpy(space.label_logits(states[:, -32:])), dim=1)
        np.testing.assert_allclose(stored, expected, atol=1e-5)  # stored in float32


def test_an_encoders_anchors_are_its_label_words(plan):
    pair = plan.pairs[2]
    table = pair.anchors.partition(Lake(plan.home)).table(["token", "norm", "anchor", "head"])
    assert table["token"].to_pylist() == ["bad", "positive", "story"]
    assert table["anchor"].to_pylist() == table["head"].to_pylist()
    np.testing.assert_allclose(table["norm"], 1, atol=1e-5)
    assert pair.anchors.spec.words == tuple(pair.dataset.label_words)
    assert plan.pairs[1].anchors.spec.words == ()


def test_a_packaged_classifier_gives_the_stored_probabilities(plan):
    for pair in plan.pairs[1:]:
        fit = next(fit for fit in pair.fits if (fit.name, fit.shots) == ("vocabulary_calibrator", 4))
        spec = pair.states["test"].spec
        settings = {name: getattr(spec, name) for name in ("pooling", "dtype", "max_tokens", "prepend_bos")}
        settings |= {"layers": list(spec.layers), "shard_rows": plan.experiment.shard_rows}
        partition = fit.predictions.partition(Lake(plan.home))
        calibrator = calibrator_file(plan.home, fit.predictions)
        rows = pair.examples.partition(Lake(plan.home)).table(["id", "split", "fields"]).to_pylist()
        texts = {row["id"]: dict(row["fields"]) for row in rows if row["split"] == "test"}
        stored = [
            row
            for row in partition.table(["split", "seed", "id", "probabilities"]).to_pylist()
            if (row["split"], row["seed"]) == ("test", 0)
        ]
        with packaged_classifier(plan.home, fit, settings, calibrator) as folder:
            served = TextClassifier(folder).predict_proba([texts[row["id"]] for row in stored])
        np.testing.assert_allclose(served, [row["probabilities"] for row in stored], atol=1e-4)


@pytest.mark.parametrize(
    ("model", "changes", "says"),
    [
        ("encoder", {"methods": ["knn_prompting"], "shots": [4]}, "an encoder has none: take it out"),
        ("encoder", {"methods": ["lora"], "shots": [4]}, "it serves causal models"),
        ("masked", {"methods": [{"method": "zero_shot", "demonstrations": 1}]}, "demonstrations stand before"),
    ],
)
def test_a_method_that_serves_no_model_is_refused_at_once(plan, model, changes, says, tmp_path):
    folder = plan.home.root.parent
    card = experiment_card(folder, models=[str(folder / f"{model}.yaml")], **({"shots": [0]} | changes))
    path = write_card(tmp_path / "experiment.yaml", card)
    done = command(plan.home, "plan", path)
    assert done.returncode == 2, done.stderr
    assert says in " ".join(done.stderr.split())


def test_the_lens_says_that_it_reads_causal_models(plan):
    for family in ("masked", "encoder"):
        done = command(plan.home, "lens", "a text", "--model", plan.home.root.parent / f"{family}.yaml")
        assert done.returncode == 2, done.stderr
        assert "the lens reads causal language models" in " ".join(done.stderr.split())


@pytest.mark.slow
def test_a_card_of_the_wrong_family_stops_a_run_before_anything_is_computed(plan, tmp_path):
    folder = plan.home.root.parent
    card = plan.pairs[2].model.model_dump(mode="json") | {"family": "causal", "prepend_bos": False}
    model = write_card(tmp_path / "model.yaml", card)
    path = write_card(tmp_path / "experiment.yaml", experiment_card(folder, models=[str(model)], champion=False))
    done = command(Home(tmp_path / "home"), "run", path)
    assert done.returncode == 2, done.stderr
    assert "set family: encoder in the card" in " ".join(done.stderr.split())
    assert not (tmp_path / "home" / "lake" / "states").exists()


def test_a_template_that_asks_a_causal_model_before_the_end_is_refused(tmp_path):
    world = World(tmp_path, dataset={"template": "{mask} : {text}"})
    with pytest.raises(CardError, match="where a causal model cannot answer"):
        world.plan()
