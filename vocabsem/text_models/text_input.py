"""What `TextStates` is given: texts in the forms that scikit-learn's users have them, and a model for its settings."""

import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from vocabsem.cards.schema import ModelCard
from vocabsem.errors import DataError
from vocabsem.families.base import FrozenModel
from vocabsem.families.causal import LanguageModel
from vocabsem.prompts.label_tokens import label_tokens
from vocabsem.prompts.prompting import Ids, validate_row

__all__ = ["text_rows", "whole_words"]


def text_rows(X: Any, fields: Set[str]) -> list[dict[str, str]]:
    """Return the fields of N texts.

    Parameters
    ----------
    X : list, Series, or array or frame of one column
        Texts, or mappings of fields to texts.
    fields : set of str
        Of the template.

    Returns
    -------
    list of dict of str to str

    Raises
    ------
    DataError
        Input of another form, or an empty text, with its row.

    Examples
    --------
    >>> text_rows(["a film"], {"text"})
    [{'text': 'a film'}]
    """
    alone = next(iter(fields)) if len(fields) == 1 else None
    named = ({alone: each} if alone and not isinstance(each, Mapping) else each for each in _one_column(X))
    return [validate_row(each, fields, number) for number, each in enumerate(named)]


def whole_words(model: FrozenModel, card: ModelCard, words: Sequence[str]) -> list[Ids]:
    """Return the tokens of label words of any length, which are scored after prompts.

    Parameters
    ----------
    model : FrozenModel
        As it was loaded.
    card : ModelCard
        Of the model.
    words : sequence of str
        One a class.

    Returns
    -------
    list of list of int

    Raises
    ------
    DataError
        For a model that does not continue its prompts, or a word that with the longest prompt is over its context.
    LabelWordError
        For words that are not distinct.
    """
    if not isinstance(model, LanguageModel):
        raise DataError(
            f"exact scores continue the prompts of causal models, and {card.name!r} is of family {card.family}: leave"
            " scoring out, or name another model"
        )
    ids = label_tokens(model.tokenizer, words, strategy="whole", dataset=None, chat=card.conversation)
    longest = max(map(len, ids))
    if card.max_tokens + longest > card.context:
        raise DataError(
            f"a label word of {longest} tokens is over the context of model {card.name!r}, {card.context}, behind a"
            f" prompt of {card.max_tokens}: choose a shorter one"
        )
    return ids


def _one_column(X: Any) -> Iterable[Any]:
    """Return the rows of a list or of one column. Raises DataError for what iterates over names or is a table."""
    names = (str, bytes, Mapping, Set, *([sys.modules["pandas"].Index] if "pandas" in sys.modules else []))
    shape: tuple[int, ...] = getattr(X, "shape", (0,))
    if isinstance(X, names) or not isinstance(X, Iterable):
        raise DataError(f"{type(X).__name__} {X!r:.200} was given: give a list of texts, or one column of texts")
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise DataError(
            f"{type(X).__name__} of shape {shape} was given: give the one column of texts, or for several fields a"
            " list of mappings, as frame.to_dict('records')"
        )
    return np.asarray(X, dtype=object)[:, 0] if len(shape) == 2 else X
