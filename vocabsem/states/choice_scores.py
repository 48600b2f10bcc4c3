"""Scores of the options of a row as fixed columns, and as the label space in which a method reads them as classes.

The class of an option is its place. Options are scored as texts, log P(option | prompt), or by the letters before them,
in as many orders as there are options.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vocabsem.errors import DataError
from vocabsem.label_space import LabelSpace

__all__ = ["MISSING", "ChoiceScoring", "choice_space", "cyclic_orders", "letter_columns", "option_columns"]

MISSING = -1e4  # of an option that a row does not have, in nats: no probability
ChoiceScoring = Literal["exact", "exact_mean", "exact_characters", "letters", "letters_once"]
TEXTS: Sequence[ChoiceScoring] = ("exact", "exact_mean", "exact_characters")


def option_columns(
    scores: Sequence[ArrayLike],
    tokens: Sequence[Sequence[int]],
    characters: Sequence[Sequence[int]],
    classes: int,
    missing: float = MISSING,
) -> NDArray[np.float32]:
    """Lay out log P(option | prompt), the same for each token, and for each character, of N rows.

    Parameters
    ----------
    scores : sequence of array-like of shape (K,)
        Of each row's K options, in nats.
    tokens, characters : sequence of sequences of int
        How long each option is.
    classes : int
        Most options C of a row.
    missing : float, default=MISSING
        In place of options that a row does not have; 0 in scores that are taken away from others.

    Returns
    -------
    ndarray of shape (N, 3C), float32

    Examples
    --------
    >>> option_columns([[-6.0]], [[2]], [[4]], 2).tolist()
    [[-6.0, -10000.0, -3.0, -10000.0, -1.5, -10000.0]]
    """
    columns = np.full((len(scores), 3, classes), missing, np.float32)
    for row, mine in enumerate(scores):
        whole = np.asarray(mine, np.float64)
        columns[row, :, : len(whole)] = whole, whole / tokens[row], whole / characters[row]
    return columns.reshape(len(scores), -1)


def cyclic_orders(fields: Mapping[str, str], names: Sequence[str]) -> list[dict[str, str]]:
    """Return a row in C orders, so that each option has each letter once.

    Parameters
    ----------
    fields : mapping of str to str
        Texts of the row, and for each name its option.
    names : sequence of str
        Names of C letters, in order.

    Returns
    -------
    list of dict of str to str
        In the r-th, the option at letter j is the (j + r)-th, counted round.

    Examples
    --------
    >>> [row["A"] + row["B"] + row["C"] for row in cyclic_orders({"A": "x", "B": "y", "C": "z"}, "ABC")]
    ['xyz', 'yzx', 'zxy']
    """
    count = len(names)
    return [{**fields, **{name: fields[names[(j + r) % count]] for j, name in enumerate(names)}} for r in range(count)]


def letter_columns(scores: ArrayLike, classes: int) -> NDArray[np.float32]:
    """Lay out log P(letter | prompt) of N rows in `cyclic_orders` by the options that stood at the letters.

    Parameters
    ----------
    scores : array-like of shape (N·C, C)
        Of each letter, in nats; the C orders of a row one after the other.
    classes : int
        Number C of letters.

    Returns
    -------
    ndarray of shape (N, C·C), float32
        Of each order, the score of the letter at which each option stood.

    Examples
    --------
    >>> letter_columns([[-1.0, -2.0], [-3.0, -4.0]], 2).tolist()
    [[-1.0, -2.0, -4.0, -3.0]]
    """
    each = np.asarray(scores, np.float32).reshape(-1, classes, classes)  # (N, order, letter)
    by_option = np.stack([np.roll(each[:, r], r, axis=1) for r in range(classes)], axis=1)
    return by_option.reshape(len(each), -1)


def choice_space(
    classes: int, scoring: ChoiceScoring, *, content_free: bool = False, less_content_free: bool = False
) -> LabelSpace:
    """Return the label space in which the logit of a place is the score of the option there.

    Parameters
    ----------
    classes : int
        Most options C of a row.
    scoring : {"exact", "exact_mean", "exact_characters", "letters", "letters_once"}
        Of `option_columns`: log P(option | prompt), or that divided by its tokens, or by its characters. Of
        `letter_columns`: the mean over all orders of the log-probability of the option's letter, or that of the first
        order alone. What a model prefers of letters whatever stands there is the same for all options in the mean, so
        that it decides nothing (Zheng et al., 2024, whose prior of letters has this mean).
    content_free : bool, default=False
        Whether columns of the options' scores after content-free prompts stand behind.
    less_content_free : bool, default=False
        Whether these are taken away: pointwise mutual information.

    Returns
    -------
    LabelSpace
        Of width 3C, or 6C with content-free scores; of letters C·C.

    Raises
    ------
    DataError
        For content-free scores to take away where there are none.

    Examples
    --------
    >>> space = choice_space(2, "letters")
    >>> space.label_logits(letter_columns([[-1.0, -3.0], [-1.0, -3.0]], 2)).tolist()
    [[-2.0, -2.0]]
    """
    if less_content_free and not content_free:
        raise DataError(f"scoring {scoring!r} is to be less content-free scores, and there are none: compute them")
    one = np.eye(classes, dtype=np.float32)
    if scoring in TEXTS:
        weights = [float(scoring == each) for each in TEXTS]
        weights += [-weight * less_content_free for weight in weights] if content_free else []
    else:
        weights = [1 / classes] * classes if scoring == "letters" else [1.0, *[0.0] * (classes - 1)]
    head = np.concatenate([weight * one for weight in weights], axis=1)  # (C, width)
    return LabelSpace(head, head, np.zeros(classes, np.float32))
