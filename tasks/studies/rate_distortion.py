"""States of the test examples of each data set by layer, and their labels."""

from dataclasses import replace

import numpy as np

from tasks.studies.inputs import Inputs
from vocabsem.instruments.base import Item, Space, StudyResult, Value
from vocabsem.instruments.rate_distortion import rate_distortion_study


def measure(inputs: Inputs) -> StudyResult:
    """Measure the labels of each data set as a partition of its states."""
    values: list[Value] = []
    items: list[Item] = []
    for name, dataset in inputs.datasets.items():
        _, labels, test = inputs.stored_states(name, "test")
        spaces = [Space("state", layer, rows) for layer, rows in test.items()]
        spaces.append(Space("gaussian", None, _gaussian(spaces[-1].vectors, inputs.sampling.generator(9))))
        starts = inputs.params["starts"]
        result = rate_distortion_study(name, spaces, labels, starts=starts, sampling=inputs.sampling)
        values += result.values
        items += [replace(item, text=dataset.label_names[int(item.text)]) for item in result.items]
    return StudyResult(tuple(values), tuple(items))


def _gaussian(vectors: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return Gaussian vectors of the same covariance, without regard to labels."""
    centered = vectors - vectors.mean(axis=0)
    mixed: np.ndarray = generator.standard_normal((len(vectors), len(vectors))) @ centered / np.sqrt(len(vectors))
    return mixed
