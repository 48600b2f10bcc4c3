"""States of training and test examples of each data set at every layer, and their labels; seconds of runs that end."""

import time

import numpy as np

from tasks.models.loaded import inference, loaded
from tasks.studies.inputs import Inputs
from vocabsem.instruments.base import Item, StudyResult, Value
from vocabsem.instruments.grid import grid_study, speed_up
from vocabsem.states.extraction import extract

TEXTS, ROUNDS = 16, 7  # that are timed


def measure(inputs: Inputs) -> StudyResult:
    """Measure the grid of layers and axes on each data set, and how fast its cheapest layers are."""
    values: list[Value] = []
    items: list[Item] = []
    for dataset in inputs.datasets:
        (_, known, train), (_, true, test) = (inputs.stored_states(dataset, split) for split in ("train", "test"))
        settings = {"axes": inputs.params["axes"], "tolerance": inputs.params["tolerance"]}
        result = grid_study(dataset, train, test, (known, true), **settings, sampling=inputs.sampling)
        cheap = sorted({value.layer for value in result.values if value.metric == "cheapest_f1" and value.layer})
        timed = speed_up(dataset, *_seconds(inputs, dataset, cheap), inputs.sampling)
        values, items = [*values, *result.values, *timed], [*items, *result.items]
    return StudyResult(tuple(values), tuple(items))


def _seconds(inputs: Inputs, dataset: str, layers: list[int]) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Return the seconds (R,) of extraction from some training texts by the layer at which it ends, and (R, 2) of two
    whole ones, one after the other in each round."""
    prompts = inputs.stored_prompts(dataset, "train", TEXTS)
    with inference():
        model = loaded(inputs.model, inputs.home, inputs.spec.dtype, inputs.device)

        def timed(layer: int) -> float:
            began = time.perf_counter()
            extract(model, prompts, [layer], pooling=inputs.spec.pooling)
            return time.perf_counter() - began

        order = [model.layers, *layers, model.layers]
        for layer in order:
            timed(layer)  # the first call makes buffers
        rounds = np.array([[timed(layer) for layer in order] for _ in range(ROUNDS)])  # (R, 2 + layers)
    return dict(zip(layers, rounds[:, 1:-1].T, strict=True)), rounds[:, [0, -1]]
