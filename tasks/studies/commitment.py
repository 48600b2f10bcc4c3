"""States of test examples at every layer, and the anchors of their label words."""

import numpy as np
from scipy.special import softmax

from tasks.studies.inputs import Inputs
from vocabsem.instruments.base import StudyResult
from vocabsem.instruments.commitment import commitment_study


def measure(inputs: Inputs) -> StudyResult:
    """Follow the test examples of each data set through the layers."""
    results = []
    for dataset in inputs.datasets:
        space = inputs.label_space(dataset)
        ids, labels, test = inputs.stored_states(dataset, "test")
        for layer, rows in test.items():
            inputs.require_anchor_width(layer, rows)
        _, _, train = inputs.stored_states(dataset, "train")
        confidence = softmax(space.label_logits(test[inputs.model.layers]), axis=1).max(axis=1)
        means = np.stack([rows.mean(axis=0) for rows in train.values()])
        results.append(commitment_study(dataset, test, means, space.anchors, labels, confidence, ids, inputs.sampling))
    return StudyResult(
        tuple(value for result in results for value in result.values),
        tuple(item for result in results for item in result.items),
    )
