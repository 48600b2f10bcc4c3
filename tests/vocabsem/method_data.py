"""Small states with known structure, for the tests of the methods."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vocabsem.label_space import Vocabulary
from vocabsem.methods import LabelSpace, load_method, method_infos

STATES = {name: info for name, info in method_infos().items() if info.family == "states" and not info.package}
METHODS = {
    name: load_method(name) for name, info in STATES.items() if info.label_kinds not in (("multi",), ("continuous",))
}  # of one class
D, CLASSES, TOKENS = 16, 3, 40
PROBE = '''
import numpy as np
from vocabsem.methods import Method


class MyProbe(Method):
    """Minus the distance to the class medians."""

    name = "my_probe"
    revision = 3
    takes_random_state = True
    choices = {"order": ("l1", "l2")}

    medians_: np.ndarray

    def __init__(self, space=None, *, order="l1", powers=(1.0, 2.0), random_state=0):
        self.space = space
        self.order = order
        self.powers = powers
        self.random_state = random_state

    def _fit(self, states, labels, background):
        self.medians_ = np.stack([np.median(states[labels == c], axis=0) for c in range(len(self.classes_))])

    def _logits(self, states):
        away = np.abs(states[:, None].astype(np.float64) - self.medians_)
        return -(away.sum(axis=2) if self.order == "l1" else np.sqrt((away**2).sum(axis=2)))
'''


def make_space(seed: int = 0, classes: int = CLASSES, d: int = D, **options: Any) -> LabelSpace:
    generator = np.random.default_rng([seed, 1])

    def draw(*shape: int) -> NDArray[np.float32]:
        return generator.standard_normal(shape).astype(np.float32)

    return LabelSpace(draw(classes, d), draw(classes, d), draw(classes), **options)


def make_whole_space(
    seed: int = 0, classes: int = CLASSES, d: int = D, tokens: int = TOKENS, **options: Any
) -> LabelSpace:
    """A label space with a vocabulary; the label words are its last tokens."""
    generator = np.random.default_rng([seed, 3])
    head, anchors = (generator.standard_normal((tokens, d)).astype(np.float32) for _ in range(2))
    bias = generator.standard_normal(tokens).astype(np.float32)
    ids = [[tokens - 1 - c] for c in range(classes)]
    rows = [token for (token,) in ids]
    return LabelSpace(anchors[rows], head[rows], bias[rows], vocabulary=Vocabulary(head, bias, anchors, ids), **options)


def make_states(
    seed: int = 0, n: int = 90, classes: int = CLASSES, d: int = D, distance: float = 2.0, absent: Collection[int] = ()
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """States (n, d) float32 on an uneven scale around class means, and labels (n,) that leave out the absent ones."""
    generator = np.random.default_rng([seed, 2])
    present = np.array([c for c in range(classes) if c not in absent])
    labels = present[np.arange(n) % len(present)]
    means = np.random.default_rng(7).standard_normal((classes, d)) * distance / d**0.5
    states = (means[labels] + generator.standard_normal((n, d))) * np.geomspace(0.1, 10, d) + 3
    return states.astype(np.float32), labels
