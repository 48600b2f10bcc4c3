"""What the vocabulary says about the labels of one data set, as arrays."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import DataError

Targets = Literal["anchors", "head", "random"]


@dataclass(frozen=True, eq=False, repr=False)
class Vocabulary:
    """All V tokens of the model; only methods that ask for it in `fit` are given one, and none stores it.

    head    (V, d) float32: the rows of the LM head, without padding
    bias    (V,) float32: the head's bias, zeros where it has none
    anchors (V, d) float32: the semantic anchors
    label_ids  the tokens of each label word, in the order of the classes
    """

    head: NDArray[np.float32]
    bias: NDArray[np.float32]
    anchors: NDArray[np.float32]
    label_ids: list[list[int]]

    def __post_init__(self) -> None:
        tokens = len(self.head)
        if self.anchors.shape != self.head.shape or self.bias.shape != (tokens,):
            raise DataError(
                f"vocabulary with head {self.head.shape}, bias {self.bias.shape} and anchors {self.anchors.shape}: "
                "expected (V, d), (V,) and (V, d)"
            )
        if not all(ids and min(ids) >= 0 and max(ids) < tokens for ids in self.label_ids):
            raise DataError(f"label tokens {self.label_ids}: expected one at least per class, from 0 to {tokens - 1}")

    def label_space(self, softcap: float | None, scale: float, *, whole: bool = False) -> "LabelSpace":
        """What it says about the label words, each the mean over its tokens; `whole` leaves the vocabulary in it."""
        anchors, head, bias = (of_words(rows, self.label_ids) for rows in (self.anchors, self.head, self.bias))
        return LabelSpace(anchors, head, bias, softcap, scale, self if whole else None)


@dataclass(frozen=True, eq=False, repr=False)
class LabelSpace:
    """C label words in the model's d dimensions.

    anchors (C, d) float32: the semantic anchor of each label word
    head    (C, d) float32: its row of the LM head
    bias    (C,) float32: its head bias, zeros where the head has none
    softcap the model's final soft-cap s (logits become s·tanh(logits/s)), or None
    scale   the model's logit multiplier
    vocabulary  all tokens, for methods whose `reads_vocabulary` is true
    """

    anchors: NDArray[np.float32]
    head: NDArray[np.float32]
    bias: NDArray[np.float32]
    softcap: float | None = None
    scale: float = 1.0
    vocabulary: Vocabulary | None = None

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
        if (v := self.vocabulary) is not None and (v.head.shape[1], len(v.label_ids)) != (width, classes):
            raise DataError(
                f"vocabulary of width {v.head.shape[1]} with {len(v.label_ids)} label words, in a label space of "
                f"width {width} with {classes}: take both from one model and one data set"
            )

    def __repr__(self) -> str:
        return f"LabelSpace(classes={self.classes}, d={self.width})"

    @property
    def classes(self) -> int:
        return len(self.anchors)

    @property
    def width(self) -> int:
        return int(self.anchors.shape[1])

    def label_logits(self, states: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """States that meet the head (N, d) → the model's logits of the label words (N, C)."""
        return self.cap(self.linear_logits(states))

    def linear_logits(self, states: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """States (N, d) → scale · (W h + b) (N, C), before a soft-cap."""
        scores = states.astype(np.float64) @ self.head.T.astype(np.float64) + self.bias
        return np.asarray(scores * self.scale)

    def cap(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        return logits if self.softcap is None else np.asarray(self.softcap * np.tanh(logits / self.softcap))

    def with_other_tokens(self) -> "LabelSpace":
        """The C label words, and after them every token of the vocabulary that is in none of them, each a class."""
        vocabulary = self.vocabulary
        assert vocabulary is not None
        others = np.setdiff1d(np.arange(len(vocabulary.head)), np.concatenate(vocabulary.label_ids))
        return LabelSpace(
            anchors=np.concatenate([self.anchors, vocabulary.anchors[others]]),
            head=np.concatenate([self.head, vocabulary.head[others]]),
            bias=np.concatenate([self.bias, vocabulary.bias[others]]),
            softcap=self.softcap,
            scale=self.scale,
        )


def of_words(rows: NDArray[np.floating[Any]], words: list[list[int]]) -> NDArray[np.float32]:
    """Rows (V, …) → those of the words (C, …) float32, each the mean over its tokens."""
    return np.stack([rows[tokens].mean(axis=0) for tokens in words]).astype(np.float32)


def target_vectors(space: LabelSpace, kind: Targets, random_state: int = 0) -> NDArray[np.float32]:
    """The target of each class (C, d) float32: its anchor, or a control in the anchor's place.

    head: the label word's head row; random: Gaussian directions with the anchors' norms, fixed by the seed.
    """
    if kind == "anchors":
        return space.anchors
    if kind == "head":
        return space.head
    if kind == "random":
        directions = np.random.default_rng(random_state).standard_normal(space.anchors.shape)
        norms = np.linalg.norm(space.anchors, axis=1, keepdims=True)
        return np.asarray(directions / np.linalg.norm(directions, axis=1, keepdims=True) * norms, np.float32)
    raise DataError(f"unknown targets {kind!r}: choose anchors, head or random")
