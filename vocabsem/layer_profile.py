"""What each layer of a model knows: how well a linear probe and class means read the labels, how the states lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vocabsem.errors import DataError
from vocabsem.geometry import mean_cosine
from vocabsem.methods.base import Floats, Ints, mean_and_deviation
from vocabsem.methods.centroid import Centroid
from vocabsem.methods.labels import LabelSpace
from vocabsem.methods.logistic import choose_and_fit
from vocabsem.metrics import evaluate
from vocabsem.shots import Scarce, choose_shots


@dataclass(frozen=True)
class LayerFigures:
    """Of one layer, on test data; figures of methods are means over the seeds."""

    layer: int
    probe_accuracy: float
    probe_macro_f1: float
    centroid_accuracy: float
    centroid_macro_f1: float
    mean_cosine: float
    """Between two test states: 0 where they are isotropic, near 1 where they crowd into one direction."""
    centred_mean_cosine: float
    """The same with their mean taken away."""


def layer_profile(
    train: Mapping[int, Floats],
    labels: Ints,
    test: Mapping[int, Floats],
    test_labels: Ints,
    classes: int,
    *,
    shots: int | Literal["all"] = "all",
    seeds: Sequence[int] = (0,),
    scarce: Scarce = "refuse",
) -> list[LayerFigures]:
    """Figures of every layer, in order, from states (N, d) and (M, d) by layer with labels (N,) and (M,).

    Each seed draws its shots as every method's are drawn; the probe is `LinearProbe` and the means are `Centroid`;
    both see all training states without their labels. Raises DataError on layers, shots or labels that cannot be used.
    """
    if train.keys() != test.keys():
        raise DataError(f"layers {sorted(train)} of training states and {sorted(test)} of test states: give the same")
    y = np.asarray(labels, np.int64)
    rows = {seed: choose_shots(y, shots, seed, classes, scarce=scarce) for seed in seeds}
    found = []
    for layer in sorted(train):
        states, tested = np.asarray(train[layer], np.float32), np.asarray(test[layer], np.float32)
        probed = [evaluate(test_labels, p) for p in probe(states, labels, tested, rows, classes)]
        space = LabelSpace(*(np.zeros((classes, states.shape[1]), np.float32),) * 2, np.zeros(classes, np.float32))
        means = [Centroid(space).fit(states[chosen], labels[chosen], states) for chosen in rows.values()]
        nearest = [evaluate(test_labels, method.predict_proba(tested)) for method in means]
        figures = {
            f"{method}_{figure}": float(np.mean([one[figure] for one in each]))
            for method, each in (("probe", probed), ("centroid", nearest))
            for figure in ("accuracy", "macro_f1")
        }
        isotropy = {"mean_cosine": mean_cosine(tested), "centred_mean_cosine": mean_cosine(tested, centre=True)}
        found.append(LayerFigures(layer, **figures, **isotropy))
    return found


def probe(
    states: Floats, labels: Ints, tested: Floats, rows: Mapping[int, Ints], classes: int
) -> list[NDArray[np.float64]]:
    """`LinearProbe` of each seed on its rows of one layer's states (N, d) → probabilities of `tested`, (M, C) each.

    The states are standardised once for all seeds.
    """
    mean, deviation = mean_and_deviation(states)
    z, asked, nothing = (states - mean) / deviation, (tested - mean) / deviation, np.zeros(classes, np.float32)
    answers = []
    for seed, chosen in rows.items():
        offset = np.broadcast_to(nothing, (len(chosen), classes))
        linear = choose_and_fit(z[chosen], offset, labels[chosen], folds=5, seed=seed)
        answers.append(softmax(linear.logits(asked, nothing).astype(np.float64), axis=1))
    return answers
