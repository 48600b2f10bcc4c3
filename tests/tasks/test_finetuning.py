"""Fine-tuning as a task: equal to calling it, on the examples that every method sees, stored as any method is."""

import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from scipy.special import softmax

from tasks.finetuning import tune_method
from tasks.metrics import score
from tasks.models.loaded import label_ids, loaded
from tasks.steps.predictions import calibrator_file
from tasks.steps.result_specs import MetricsSpec
from tasks.steps.specs import AdapterFitSpec, MethodSettings
from tasks.steps.step import Step
from tests.tasks.worlds import LABELS, SPLITS, World, compute, fit_of, sentences
from vocabsem.errors import CardError
from vocabsem.methods import load_method
from vocabsem.models.checkpoints import model_digest
from vocabsem.models.language_model import load_model
from vocabsem.prompts.prompting import encode_prompts
from vocabsem.states.extraction import extract
from vocabsem.text_models.fine_tuning import tune
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

QUICK = {"steps": 4, "stops": 2, "learning_rates": [0.01, 0.03]}
SEEDS = [0, 1]


def step_of(plan, method="lora", shots=4, params=QUICK, seeds=SEEDS) -> Step:
    """As a plan makes it: what shapes prompts and model is in the spec, as for states."""
    (pair,) = plan.pairs
    states = pair.states["test"].spec
    prompts = states.model_dump(include={"model", "dataset", "examples", "dtype", "max_tokens", "prepend_bos"})
    spec = AdapterFitSpec(
        **prompts,
        digest=model_digest(pair.model, plan.home.cache),
        template=pair.dataset.template,
        name=method,
        method=MethodSettings(name=method, params=params),
        shots=shots,
        words=pair.dataset.label_words,
        word_tokens=pair.dataset.word_tokens,
        seeds=seeds,
    )
    return Step(spec)


def tuned(plan, *steps):
    (pair,) = plan.pairs
    method = steps[0].spec.name
    assert tune_method.fn(plan.home, pair.model, pair.dataset, method, list(steps), "cpu") == [
        step.key for step in steps
    ]
    return steps[0]


def made(folder, rows=None):
    plan = World(folder, rows=rows).plan()
    compute(plan, ("examples",))
    return plan


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A world whose examples are published, and both methods at 4 shots and with all."""
    plan = made(tmp_path_factory.mktemp("world"))
    for method in ("lora", "ia3"):
        tuned(plan, *(step_of(plan, method, shots) for shots in (4, "all")))
    return plan


def network_of(plan):
    (pair,) = plan.pairs
    return loaded(pair.model, plan.home, "float32", "cpu")


def examples_of(plan, split):
    """Ids, labels and prompts as token ids, by the tokenizer directly."""
    (pair,) = plan.pairs
    table = pair.examples.partition(Lake(plan.home)).table().to_pylist()
    rows = [row for row in table if row["split"] == split]
    template, fields = pair.dataset.template, [{"text": row["text"]} for row in rows]
    prompts = encode_prompts(network_of(plan).tokenizer, template, fields, max_tokens=64, prepend_bos=False)
    return [row["id"] for row in rows], np.array([row["label"] for row in rows]), prompts.token_ids


def rows_of(plan, step, split, seed):
    table = step.partition(Lake(plan.home)).table().to_pylist()
    return [row for row in table if (row["split"], row["seed"]) == (split, seed)]


def training_of(plan, step, seed):
    path = step.partition(Lake(plan.home)).file("training.parquet")
    return [row["id"] for row in pq.read_table(path, partitioning=None).to_pylist() if row["seed"] == seed]


@pytest.mark.parametrize("method", ["lora", "ia3"])
@pytest.mark.parametrize("shots", [4, "all"])
def test_predictions_equal_tuning_directly(plan, method, shots):
    step, splits = step_of(plan, method, shots), ("validation", "test")
    ids, labels, prompts = examples_of(plan, "train")
    others = [examples_of(plan, split) for split in splits]
    words = [network_of(plan).tokenizer.encode(f" {label['word']}", add_special_tokens=False) for label in LABELS]
    for seed in SEEDS:
        rows = [ids.index(example) for example in training_of(plan, step, seed)]
        expected = tune(
            network_of(plan),
            [prompts[row] for row in rows],
            labels[rows],
            words,
            [requested for _, _, requested in others],
            training=load_method(method)(**QUICK),
            random_state=seed,
        )
        for split, (other_ids, other_labels, _), probabilities in zip(
            splits, others, expected.probabilities, strict=True
        ):
            stored = rows_of(plan, step, split, seed)
            assert len(stored) == SPLITS[split]
            assert [row["id"] for row in stored] == other_ids
            assert [row["label"] for row in stored] == other_labels.tolist()
            assert [row["predicted"] for row in stored] == probabilities.argmax(axis=1).tolist()
            np.testing.assert_array_equal([row["probabilities"] for row in stored], probabilities.astype(np.float32))
    assert not rows_of(plan, step, "train", 0)


@pytest.mark.parametrize("shots", [4, "all"])
def test_it_sees_the_examples_that_methods_over_states_see(plan, done, shots):
    probe = fit_of(done, "linear_probe", shots).predictions
    for method in ("lora", "ia3"):
        for seed in SEEDS:
            assert training_of(plan, step_of(plan, method, shots), seed) == training_of(done, probe, seed)


def test_the_table_is_that_of_any_method(plan, done):
    step, probe = step_of(plan), fit_of(done, "linear_probe", 4).predictions
    for name in ("part-0.parquet", "training.parquet"):
        ours, theirs = (pq.read_schema(s.partition(Lake(p.home)).file(name)) for s, p in ((step, plan), (probe, done)))
        assert ours == theirs


@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_peft_gives_the_stored_predictions_from_the_stored_adapter(plan, tmp_path, method):
    (pair,) = plan.pairs
    step = step_of(plan, method, "all")
    path = calibrator_file(plan.home, step)
    assert path.name == "seed-0.safetensors"
    (tmp_path / "adapter_model.safetensors").write_bytes(path.read_bytes())
    with safe_open(path, framework="numpy") as file:
        (tmp_path / "adapter_config.json").write_text(file.metadata()["adapter_config"])
    _, _, prompts = examples_of(plan, "test")
    network = load_model(pair.model, plan.home.cache, dtype="float32", device="cpu").network
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore", FutureWarning)
        adapter = PeftModel.from_pretrained(network, tmp_path)
        logits = np.stack([adapter(torch.tensor([ids])).logits[0, -1].numpy() for ids in prompts])
    (words,) = zip(*label_ids(pair.model, pair.dataset, plan.home), strict=True)
    stored = [row["probabilities"] for row in rows_of(plan, step, "test", 0)]
    np.testing.assert_allclose(stored, softmax(logits[:, words], axis=1), atol=2e-5)  # other batches


def test_facts_state_what_was_chosen_and_how_long_it_took(plan):
    step = step_of(plan, "lora", "all")
    facts = step.partition(Lake(plan.home)).manifest().facts
    assert {key: facts[key] for key in ("method", "params", "shots")} == {
        "method": "lora",
        "params": QUICK,
        "shots": "all",
    }
    assert [seed["seed"] for seed in facts["seeds"]] == SEEDS
    for seed in facts["seeds"]:
        assert seed["learning_rate"] in QUICK["learning_rates"]
        assert seed["steps"] in (2, 4)
        assert seed["held_out"] == 12
        assert seed["fit_seconds"] > 0
    metrics = Step(MetricsSpec(**step.coordinates, predictions=step.key))
    score.fn(plan.home, "made", [(step, metrics)])
    result = metrics.partition(Lake(plan.home)).table().to_pylist()
    assert {"accuracy", "macro_f1", "nll", "fit_seconds"} <= {row["metric"] for row in result}


def test_the_loaded_model_gives_the_states_it_gave_before(plan):
    _, _, prompts = examples_of(plan, "test")
    network = network_of(plan)
    before = extract(network, prompts, [network.layers])[network.layers]
    tuned(plan, step_of(plan, "ia3", 1, seeds=[5]))
    assert network_of(plan) is network
    np.testing.assert_array_equal(extract(network, prompts, [network.layers])[network.layers], before)


def test_the_same_work_elsewhere_gives_the_same_keys_and_bytes(plan, tmp_path):
    step = step_of(plan)
    there = made(tmp_path)
    again = tuned(there, step_of(there))
    assert again.key == step.key
    first, second = (s.partition(Lake(p.home)).manifest() for s, p in ((step, plan), (again, there)))
    assert first.files == second.files, "sizes and sha256 of all files"


def test_labels_of_the_test_data_change_no_prediction(plan, tmp_path):
    rows, names = sentences(), [label["name"] for label in LABELS]
    rows[-24:] = [row | {"label": names[(names.index(row["label"]) + 1) % 3]} for row in rows[-24:]]
    other = made(tmp_path, rows)
    step, changed = step_of(plan), tuned(other, step_of(other))
    for before, after in zip(rows_of(plan, step, "test", 0), rows_of(other, changed, "test", 0), strict=True):
        assert before["probabilities"] == after["probabilities"]
        assert before["label"] != after["label"]


def test_a_parameter_that_is_none_is_refused_before_any_step(plan):
    with pytest.raises(CardError, match="unknown parameter 'epochs' of method lora"):
        tuned(plan, step_of(plan, params={"epochs": 3}))
