"""The label words of one data set in the vocabulary's space, as arrays."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vocabsem.blocks import row_blocks
from vocabsem.errors import DataError

__all__ = ["LabelSpace", "Targets", "Vocabulary", "of_words", "target_vectors"]

Targets = Literal["anchors", "head", "random"]


@dataclass(frozen=True, eq=False, repr=False)
class Vocabulary:
    """All V tokens of the model; only methods that read it in `fit` are given one, and none stores it.

    Parameters
    ----------
    head : ndarray of shape (V, d), float32
        The rows of the LM head, without padding.
    bias : ndarray of shape (V,), float32
        The head's bias, zeros where it has none.
    anchors : ndarray of shape (V, d), float32
        The semantic anchors.
    label_ids : list of list of int
        The tokens of each label word, in the order of the classes.

    Examples
    --------
    >>> Vocabulary(np.eye(3), np.zeros(3), np.eye(3), [[0], [2]]).label_space(None, 1.0)
    LabelSpace(classes=2, d=3)
    """

    head: NDArray[np.float32]
    bias: NDArray[np.float32]
    anchors: NDArray[np.float32]
    label_ids: list[list[int]]

    def __post_init__(self) -> None:
        """Check the shapes."""
        tokens = len(self.head)
        if self.anchors.shape != self.head.shape or self.bias.shape != (tokens,):
            raise DataError(
                f"vocabulary with head {self.head.shape}, bias {self.bias.shape} and anchors {self.anchors.shape}: "
                "expected (V, d), (V,) and (V, d)"
            )
        if not all(ids and min(ids) >= 0 and max(ids) < tokens for ids in self.label_ids):
            raise DataError(f"label tokens {self.label_ids}: expected one at least per class, from 0 to {tokens - 1}")

    def label_space(self, softcap: float | None, scale: float, *, whole: bool = False) -> "LabelSpace":
        """Return the label words alone, each the mean over its tokens.

        Parameters
        ----------
        softcap : float or None
            The model's soft-cap.
        scale : float
            The model's logit multiplier.
        whole : bool, default=False
            Leave the vocabulary in it.

        Returns
        -------
        LabelSpace
        """
        anchors, head, bias = (of_words(rows, self.label_ids) for rows in (self.anchors, self.head, self.bias))
        return LabelSpace(anchors, head, bias, softcap, scale, self if whole else None)


@dataclass(frozen=True, eq=False, repr=False)
class LabelSpace:
    """C label words in the model's d dimensions.

    Parameters
    ----------
    anchors : ndarray of shape (C, d), float32
        The semantic anchor of each label word.
    head : ndarray of shape (C, d), float32
        Its row of the LM head.
    bias : ndarray of shape (C,), float32
        Its head bias, zeros where the head has none.
    softcap : float, optional
        The model's final soft-cap s: logits become s·tanh(logits/s).
    scale : float, default=1
        The model's logit multiplier.
    vocabulary : Vocabulary, optional
        All tokens, for methods whose `reads_vocabulary` is true.
    values : ndarray of shape (C,), float64, optional
        The number that each word stands for, of continuous targets.

    Examples
    --------
    >>> space = LabelSpace(np.eye(2), np.eye(2), np.zeros(2), scale=0.5)
    >>> space.label_logits(np.array([[2.0, 4.0]]))
    array([[1., 2.]])
    """

    anchors: NDArray[np.float32]
    head: NDArray[np.float32]
    bias: NDArray[np.float32]
    softcap: float | None = None
    scale: float = 1.0
    vocabulary: Vocabulary | None = None
    values: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Check shapes and values, and make the arrays contiguous."""
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
        if self.values is not None and (self.values.shape != (classes,) or not np.isfinite(self.values).all()):
            raise DataError(f"label space with values {self.values}: expected {classes} finite numbers, one a word")
        if (v := self.vocabulary) is not None and (v.head.shape[1], len(v.label_ids)) != (width, classes):
            raise DataError(
                f"vocabulary of width {v.head.shape[1]} with {len(v.label_ids)} label words, in a label space of "
                f"width {width} with {classes}: take both from one model and one data set"
            )

    def __repr__(self) -> str:
        """Return the sizes."""
        return f"LabelSpace(classes={self.classes}, d={self.width})"

    @property
    def classes(self) -> int:
        """Return C."""
        return len(self.anchors)

    @property
    def width(self) -> int:
        """Return d."""
        return int(self.anchors.shape[1])

    def label_logits(self, states: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the model's logits of the label words.

        Parameters
        ----------
        states : ndarray of shape (N, d)
            States that meet the head.

        Returns
        -------
        ndarray of shape (N, C), float64
        """
        return self.cap(self.linear_logits(states))

    def linear_logits(self, states: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return scale · (W h + b), before a soft-cap.

        Parameters
        ----------
        states : ndarray of shape (N, d)
            States that meet the head.

        Returns
        -------
        ndarray of shape (N, C), float64
        """
        head = self.head.T.astype(np.float64)
        scores = np.concatenate([block.astype(np.float64) @ head for block in row_blocks(states)])
        return np.asarray((scores + self.bias) * self.scale)

    def cap(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logits as the model's soft-cap bends them.

        Parameters
        ----------
        logits : ndarray
            Of any shape.

        Returns
        -------
        ndarray
        """
        return logits if self.softcap is None else np.asarray(self.softcap * np.tanh(logits / self.softcap))

    def take(self, classes: NDArray[np.integer[Any]]) -> "LabelSpace":
        """Return the label words of some classes, without the vocabulary.

        Parameters
        ----------
        classes : ndarray of shape (S,)
            Two classes or more.

        Returns
        -------
        LabelSpace
        """
        return LabelSpace(self.anchors[classes], self.head[classes], self.bias[classes], self.softcap, self.scale)

    def with_other_tokens(self) -> "LabelSpace":
        """Return the C label words, and after them every token of the vocabulary that is in none of them, each a class.

        Returns
        -------
        LabelSpace
        """
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
    """Return the mean of each word's rows.

    Parameters
    ----------
    rows : ndarray of shape (V, …)
        One a token.
    words : list of list of int
        Tokens of each word.

    Returns
    -------
    ndarray of shape (C, …), float32

    Examples
    --------
    >>> of_words(np.arange(4.0), [[0], [1, 3]])
    array([0., 2.], dtype=float32)
    """
    return np.stack([rows[tokens].mean(axis=0) for tokens in words]).astype(np.float32)


def target_vectors(space: LabelSpace, kind: Targets, random_state: int = 0) -> NDArray[np.float32]:
    """Return the target of each class: its anchor, or a control in its place.

    Parameters
    ----------
    space : LabelSpace
        The label words.
    kind : {"anchors", "head", "random"}
        Anchors, head rows, or Gaussian directions with the anchors' norms.
    random_state : int, default=0
        Draws the directions.

    Returns
    -------
    ndarray of shape (C, d), float32

    Raises
    ------
    DataError
        Another kind.

    Examples
    --------
    >>> space = LabelSpace(np.eye(2), 2 * np.eye(2), np.zeros(2))
    >>> target_vectors(space, "head")[0]
    array([2., 0.], dtype=float32)
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
