"""What the study of the grid hands to its instrument: states and labels of both splits of each data set."""

from types import SimpleNamespace

import numpy as np
import pytest

from tasks.studies import grid
from tests.tasks.worlds import World, model
from vocabsem.instruments.base import Sampling

WIDTH, CLASSES = 10, 3


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Of one data set whose classes lie apart in layer 1, and one of noise."""
    generator = np.random.default_rng(0)
    centers = 4 * generator.standard_normal((CLASSES, WIDTH))

    def stored_states(dataset, split):
        labels = np.arange(60 if split == "train" else 45) % CLASSES
        noise = generator.standard_normal((2, len(labels), WIDTH))
        states = {0: noise[0], 1: noise[1] + (centers[labels] if dataset == "planted" else 0)}
        return [f"{split}-{n}" for n in range(len(labels))], labels, states

    inputs = SimpleNamespace(
        datasets=("planted", "noise"),
        stored_states=stored_states,
        stored_prompts=lambda dataset, split, most: generator.integers(2, 300, (most, 6)).tolist(),
        home=World(tmp_path_factory.mktemp("grid")).home,
        model=model(),
        spec=SimpleNamespace(dtype="float32", pooling="last"),
        device="cpu",
        sampling=Sampling(resamples=30, null_draws=30, seed=0),
        params={"axes": (2, 4), "tolerance": 0.01},
    )
    return grid.measure(inputs)


def test_each_data_set_has_its_cells(result):
    values = {(value.unit, value.metric, value.layer, value.variant): value for value in result.values}
    for unit in ("planted", "noise"):
        for basis in ("pca", "raw", "random"):
            cells = {(at[2], at[3]) for at in values if at[:2] == (unit, f"{basis}_f1")}
            assert cells == {(layer, f"{k} axes") for layer in (0, 1) for k in (2, 4, WIDTH)}
    planted, noise = (values[unit, "pca_f1", 1, "4 axes"] for unit in ("planted", "noise"))
    assert planted.value > 0.9
    assert planted.interval[0] > planted.null[1]
    assert noise.value < noise.null[1] + 0.1
    assert (planted.n, noise.n) == (45, 45)


def test_the_cheapest_cell_of_the_planted_set_is_in_its_layer(result):
    cheapest = [value for value in result.values if (value.unit, value.metric) == ("planted", "cheapest_f1")]
    assert {value.layer for value in cheapest} == {1}
    assert {item.item.split(" ")[0] for item in result.items} == {"planted", "noise"}


def test_the_cheapest_layers_are_timed_beside_whole_runs(result):
    timed = [value for value in result.values if value.metric == "speed_up"]
    cheapest = {(value.unit, value.layer) for value in result.values if value.metric == "cheapest_f1" and value.layer}
    assert {(value.unit, value.layer) for value in timed} == cheapest
    for value in timed:
        assert (value.variant, value.n) == ("runs", grid.ROUNDS)
        assert 0 < value.interval[0] <= value.value <= value.interval[1]
        assert 0 < value.null[0] <= value.null[1]
