"""What the vocabulary says about the labels of one data set, as arrays."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import DataError

Targets = Literal["anchors", "head", "random"]


@dataclass(frozen=True, eq=False, repr=False)
class LabelSpace:
    """C label words in the model's d dimensions.

    anchors (C, d) float32: the semantic anchor of each label word
    head    (C, d) float32: its row of the LM head
    bias    (C,) float32: its head bias, zeros where the head has none
    softcap the model's final soft-cap s (logits become s·tanh(logits/s)), or None
    scale   the model's logit multiplier
    """

    anchors: NDArray[np.float32]
    head: NDArray[np.float32]
    bias: NDArray[np.float32]
    softcap: float | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        classes, width = self.anchors.shape
        if self.head.shape != (classes, width) or self.bias.shape != (classes,):
            raise DataError(
                f"label space with anchors {self.anchors.shape}, head {self.head.shape} and bias {self.bias.shape}: "
                "expected (C, d), (C, d) and (C,)"
            )
        if classes < 2:
            raise DataError("label space with one class: a classifier needs two label words at least")
        for name in ("anchors", "head", "bias"):
            array = getattr(self, name)
            if not np.isfinite(array).all():
                raise DataError(f"label space holds NaN or infinite {name}: check the model's head")
            object.__setattr__(self, name, np.ascontiguousarray(array, dtype=np.float32))

    def __repr__(self) -> str:
        return f"LabelSpace(classes={self.classes}, d={self.width})"

    @property
    def classes(self) -> int:
        return len(self.anchors)

    @property
    def width(self) -> int:
        return int(self.anchors.shape[1])


def in_place_of_anchors(space: LabelSpace, kind: Targets, seed: int = 0) -> NDArray[np.float32]:
    """The target of each class (C, d) float32: its anchor, or a control in the anchor's place.

    head: the label word's head row; random: Gaussian directions with the anchors' norms, fixed by the seed.
    """
    if kind == "anchors":
        return space.anchors
    if kind == "head":
        return space.head
    if kind == "random":
        directions = np.random.default_rng(seed).standard_normal(space.anchors.shape)
        norms = np.linalg.norm(space.anchors, axis=1, keepdims=True)
        return np.asarray(directions / np.linalg.norm(directions, axis=1, keepdims=True) * norms, np.float32)
    raise DataError(f"unknown targets {kind!r}: choose anchors, head or random")
