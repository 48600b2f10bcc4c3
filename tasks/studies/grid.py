"""States of training and test examples of each data set at every layer, and their labels."""

from tasks.studies.inputs import Inputs
from vocabsem.instruments.base import Item, StudyResult, Value
from vocabsem.instruments.grid import grid_study


def measure(inputs: Inputs) -> StudyResult:
    """Measure the grid of layers and axes on each data set."""
    values: list[Value] = []
    items: list[Item] = []
    for dataset in inputs.datasets:
        (_, known, train), (_, true, test) = (inputs.stored_states(dataset, split) for split in ("train", "test"))
        settings = {"axes": inputs.params["axes"], "tolerance": inputs.params["tolerance"]}
        result = grid_study(dataset, train, test, (known, true), **settings, sampling=inputs.sampling)
        values, items = [*values, *result.values], [*items, *result.items]
    return StudyResult(tuple(values), tuple(items))
