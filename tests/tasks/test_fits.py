"""Fits: equal to calling the estimator, on the same examples for every method, blind to the labels of the test data."""

import json
from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch
from safetensors import safe_open
from scipy.special import softmax

from tasks.fits import fit_method
from tasks.models.label_space import label_space
from tasks.models.loaded import loaded
from tasks.steps.lake_reads import read_states
from tasks.steps.predictions import calibrator_file
from tasks.steps.progress import ProgressFile
from tests.tasks.worlds import LABELS, World, compute, fit_of, sentences, snapshot
from vocabsem.evaluation.temperature import cross_fitted_temperature
from vocabsem.methods import build_method, method_info
from vocabsem.methods.persistence import from_arrays
from vocabsem.prompts.prompting import encode_prompts
from warehouse.lake.partition import Lake


def predictions_of(plan, fit, split="test"):
    """{seed: (ids, labels (N,), predicted (N,), probabilities (N, C))} as stored."""
    result = {}
    for row in fit.predictions.partition(Lake(plan.home)).table().to_pylist():
        if row["split"] == split:
            result.setdefault(row["seed"], []).append((row["id"], row["label"], row["predicted"], row["probabilities"]))
    return {seed: tuple(map(np.array, zip(*rows, strict=True))) for seed, rows in result.items()}


def training_of(plan, fit):
    """{seed: ids} of the labeled examples that a fit saw."""
    import pyarrow.parquet as pq

    path = fit.predictions.partition(Lake(plan.home)).file("training.parquet")
    table = pq.read_table(path, partitioning=None).to_pylist()
    return {seed: [row["id"] for row in table if row["seed"] == seed] for seed in {row["seed"] for row in table}}


def states_of(plan, split):
    (pair,) = plan.pairs
    return read_states(plan.home, pair.model.name, "made", split, pair.states[split].key)


def space_of(plan):
    (pair,) = plan.pairs
    return label_space(plan.home, pair.model, pair.dataset, pair.anchors.key)


def stored_method(plan, fit):
    with safe_open(calibrator_file(plan.home, fit.predictions), framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return from_arrays(arrays, json.loads(file.metadata()["estimator"]))


def fits(plan):
    return plan.pairs[0].fits


def test_every_method_is_fitted_at_the_shots_it_can_use(done):
    shots = {fit.method: set() for fit in fits(done)}
    for fit in fits(done):
        shots[fit.method].add(fit.shots)
    for name, result in shots.items():
        without = {0} if method_info(name).works_without_labels or not method_info(name).needs_labels else set()
        assert result == without | ({1, 4, "all"} if method_info(name).needs_labels else set())


@pytest.mark.parametrize("split", ["validation", "test"])
def test_predictions_equal_the_estimators_own(done, split):
    ids, labels, states = states_of(done, split)
    train_ids, train_labels, train_states = states_of(done, "train")
    index = {example: row for row, example in enumerate(train_ids)}
    for fit in fits(done):
        training, stored = training_of(done, fit), predictions_of(done, fit, split)
        assert list(stored) == list(fit.predictions.spec.seeds)
        for seed, (result_ids, result_labels, predicted, probabilities) in stored.items():
            estimator = build_method(fit.method, fit.predictions.spec.method.params, space_of(done), seed)
            rows = [index[example] for example in training.get(seed, [])]
            if fit.shots == 0:
                estimator.fit(train_states)
            else:
                estimator.fit(train_states[rows], train_labels[rows], unlabeled=train_states)
            expected = estimator.predict_proba(states)
            np.testing.assert_array_equal(probabilities, expected.astype(np.float32))
            np.testing.assert_array_equal(predicted, expected.argmax(axis=1))
            assert result_ids.tolist() == ids
            assert result_labels.tolist() == labels.tolist()


def test_every_method_sees_the_same_examples(done):
    for shots in (1, 4, "all"):
        seen = [training_of(done, fit) for fit in fits(done) if fit.shots == shots]
        for seed in (0, 1):
            each = [training[seed] for training in seen if seed in training]
            assert all(ids == each[0] for ids in each)


def test_few_shots_are_balanced_nested_and_differ_by_seed(done):
    ids, labels, _ = states_of(done, "train")
    label_of = dict(zip(ids, labels.tolist(), strict=True))
    one, four, every = (training_of(done, fit_of(done, "linear_probe", shots)) for shots in (1, 4, "all"))
    for seed in (0, 1):
        assert set(one[seed]) <= set(four[seed])
        for shots, training in ((1, one), (4, four)):
            assert np.bincount([label_of[example] for example in training[seed]]).tolist() == [shots] * 3
    assert one[0] != one[1]
    assert sorted(every[0]) == sorted(ids)


def test_without_shots_no_label_is_seen(done):
    for fit in fits(done):
        if fit.shots == 0:
            assert training_of(done, fit) == {}


@pytest.mark.medium
def test_labels_of_the_test_data_change_no_prediction(done, tmp_path):
    rows = sentences()
    names = [label["name"] for label in LABELS]
    rows[-24:] = [row | {"label": names[(names.index(row["label"]) + 1) % 3]} for row in rows[-24:]]
    plan = World(tmp_path, rows=rows).plan()
    compute(plan)
    for before, after in zip(fits(done), fits(plan), strict=True):
        for seed, (_, labels, _, probabilities) in predictions_of(done, before).items():
            _, other_labels, _, other_probabilities = predictions_of(plan, after)[seed]
            np.testing.assert_array_equal(probabilities, other_probabilities)
            assert (labels != other_labels).all()


def test_zero_shot_is_the_models_prediction(done):
    (pair,) = done.pairs
    network = loaded(pair.model, done.home, "float32", "cpu")
    rows = sentences()[-24:]
    prompts = encode_prompts(network.tokenizer, pair.dataset.template, rows, max_tokens=64, prepend_bos=False)
    words = [network.tokenizer.encode(f" {label['word']}", add_special_tokens=False)[0] for label in LABELS]
    with torch.inference_mode():
        logits = [network.network(torch.tensor([ids])).logits[0, -1, words].numpy() for ids in prompts.token_ids]
    (stored,) = predictions_of(done, fit_of(done, "zero_shot", 0)).values()
    np.testing.assert_allclose(stored[3], softmax(np.stack(logits), axis=1), atol=2e-5)  # other batches


def test_stored_calibrators_give_the_stored_predictions(done):
    _, _, states = states_of(done, "test")
    for fit in fits(done):
        seed = fit.predictions.spec.seeds[0]
        assert calibrator_file(done.home, fit.predictions).name == f"seed-{seed}.safetensors"
        stored = predictions_of(done, fit)[seed][3]
        np.testing.assert_array_equal(stored_method(done, fit).predict_proba(states).astype(np.float32), stored)


def test_with_several_layers_each_method_reads_what_it_can(tmp_path):
    methods = ["anchor_similarity", {"method": "vocabulary_calibrator", "params": {}}, "linear_probe", "centroid"]
    experiment = {"layers": [1, "last"], "shots": [0, 4], "methods": methods, "champion": False, "seeds": [0]}
    plan = World(tmp_path, experiment=experiment).plan()
    compute(plan)
    _, _, train = states_of(plan, "train")
    _, _, test = states_of(plan, "test")
    assert test.shape[1] == 64
    last = build_method("anchor_similarity", {}, space_of(plan), 0).fit(train[:, 32:])
    (stored,) = predictions_of(plan, fit_of(plan, "anchor_similarity", 0)).values()
    np.testing.assert_array_equal(stored[3], last.predict_proba(test[:, 32:]).astype(np.float32))
    for name, params in (("vocabulary_calibrator", {"layers": 2}), ("linear_probe", {"layers": 2}), ("centroid", {})):
        fit = fit_of(plan, name, 4)
        ids, labels, _ = states_of(plan, "train")
        rows = [ids.index(example) for example in training_of(plan, fit)[0]]
        both = build_method(name, params, space_of(plan), 0).fit(train[rows], labels[rows], unlabeled=train)
        (stored,) = predictions_of(plan, fit).values()
        np.testing.assert_array_equal(stored[3], both.predict_proba(test).astype(np.float32))


def test_a_temperature_is_fitted_on_training_rows_and_stored_with_the_calibrator(tmp_path):
    methods = ["zero_shot", "centroid", {"method": "paper_calibrator", "label": "paper", "params": {"epochs": 2}}]
    experiment = {"temperature": True, "shots": [0, 4], "methods": methods, "champion": False, "seeds": [3]}
    plan = World(tmp_path, experiment=experiment).plan()
    compute(plan, ("examples", "anchors", "states", "predictions"))
    ids, labels, train = states_of(plan, "train")
    _, _, test = states_of(plan, "test")
    for name, folds in (("centroid", 4), ("paper", 2)):
        fit = fit_of(plan, name, 4)
        rows = [ids.index(example) for example in training_of(plan, fit)[3]]

        def make(settings=fit.predictions.spec.method):
            return build_method(settings.name, settings.params, space_of(plan), 3)

        estimator = make().fit(train[rows], labels[rows], unlabeled=train)
        expected = cross_fitted_temperature(make, train[rows], labels[rows], train, cv=folds, random_state=3)
        assert abs(expected - 1) > 1e-3
        estimator.temperature_ = expected
        (stored,) = predictions_of(plan, fit).values()
        np.testing.assert_array_equal(stored[3], estimator.predict_proba(test).astype(np.float32))
        np.testing.assert_array_equal(stored_method(plan, fit).predict_proba(test), estimator.predict_proba(test))
    answers = fit_of(plan, "zero_shot", 0).predictions.partition(Lake(plan.home)).manifest().facts
    assert [of_seed["temperature"] for of_seed in answers["seeds"]] == [1.0]


@pytest.mark.medium
def test_the_same_work_elsewhere_gives_the_same_keys_and_bytes(done, tmp_path):
    plan = World(tmp_path).plan()
    compute(plan)
    for here, there in zip(fits(done), fits(plan), strict=True):
        assert here.predictions.key == there.predictions.key
        first, second = (fit.predictions.partition(Lake(p.home)).manifest() for fit, p in ((here, done), (there, plan)))
        assert first.files == second.files, "sizes and sha256 of all files"


def test_random_targets_are_drawn_anew_by_each_seed(done):
    by_seed = predictions_of(done, fit_of(done, "vocabulary_calibrator+random", "all"))
    assert list(by_seed) == [0, 1]
    assert (by_seed[0][3] != by_seed[1][3]).any()


def test_fitting_again_changes_no_file(done):
    before = snapshot(done.home.lake)
    compute(done, ("predictions",))
    assert snapshot(done.home.lake) == before


def test_a_run_that_is_stopped_ends_after_the_number_of_shots_at_hand(world):
    world.write_experiment(methods=["centroid"], shots=[1, 4], champion=False)
    plan = world.plan()
    compute(plan, ("examples", "anchors", "states"))
    (pair,) = plan.pairs
    steps = [fit.predictions for fit in pair.fits]
    stopped = ProgressFile(world.folder / "removed")
    with pytest.raises(CancelledError):
        fit_method.fn(plan.home, pair.model, pair.dataset, "centroid", steps, stopped)
    assert [step.partition(plan.lake).published for step in steps] == [True, False]
