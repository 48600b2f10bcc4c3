"""Read texts that are longer than a prompt in several prompts, and average their states.

The mean of the states at the head's input is the mean of the logits, so that methods which are linear in the states let
the chunks vote, each with the same weight.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vocabsem.prompts.prompting import Prompts, encode_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Encode = Callable[[Sequence[Mapping[str, str]]], Prompts]

__all__ = ["ChunkedPrompts", "encode_chunks", "split_text"]


@dataclass(frozen=True)
class ChunkedPrompts:
    """M prompts of N texts, those of a text side by side."""

    prompts: Prompts
    """All M."""
    sizes: NDArray[np.int64]
    """(N,) prompts of each text."""

    @property
    def truncated(self) -> NDArray[np.bool_]:
        """(N,) whether a text lost a part."""
        return self._of_each(np.logical_or, self.prompts.truncated)

    @property
    def tokens(self) -> NDArray[np.int64]:
        """(N,) tokens of all prompts of a text."""
        return self._of_each(np.add, np.array([len(ids) for ids in self.prompts.token_ids], dtype=np.int64))

    def average(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean over the prompts of each text.

        Parameters
        ----------
        states : ndarray of shape (M, d)
            Of the prompts.

        Returns
        -------
        ndarray of shape (N, d), float32
            Those of texts of one prompt unchanged.
        """
        if len(states) == len(self.sizes):
            return states
        mean: NDArray[np.float32] = np.divide(self._of_each(np.add, states), self.sizes[:, None], dtype=np.float32)
        return mean

    def _of_each(self, ufunc: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        if not len(self.sizes):
            return values
        result: NDArray[Any] = ufunc.reduceat(values, np.cumsum(self.sizes) - self.sizes, axis=0)
        return result


def encode_chunks(
    tokenizer: "PreTrainedTokenizerBase",
    template: str,
    fields: Sequence[Mapping[str, str]],
    *,
    max_chunks: int = 1,
    **settings: Any,
) -> ChunkedPrompts:
    """Fill examples into a template and tokenize them, a text that is too long in several prompts.

    The longest field is split into as few parts of about the same length as fit, between words where it has some; the
    other fields are in every prompt. Where `max_chunks` parts do not fit either, each loses its end.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's tokenizer.
    template : str
        Text with `{field}` where a field's text goes.
    fields : sequence of mappings
        Template field → text of each of N examples.
    max_chunks : int
        Most prompts of a text; 1 truncates what is too long.
    **settings
        As of `encode_prompts`, which also says what is raised.

    Returns
    -------
    ChunkedPrompts

    Examples
    --------
    >>> rows = [{"text": "a witty movie " * 30}]
    >>> encode_chunks(tokenizer, "{text}", rows, max_chunks=4, max_tokens=64, prepend_bos=False).sizes  # doctest: +SKIP
    array([2])
    """
    encode: Encode = partial(encode_prompts, tokenizer, template, **settings)
    prompts, parts = encode(fields), [[row] for row in fields]
    long = np.flatnonzero(prompts.truncated).tolist() if max_chunks > 1 else []
    for row in long:
        parts[row] = _fitting(encode, fields[row], max_chunks)
    if long:
        prompts = encode([part for each in parts for part in each])
    return ChunkedPrompts(prompts, np.array([len(each) for each in parts], dtype=np.int64))


def split_text(text: str, parts: int) -> list[str]:
    """Split a text into at most so many parts of about the same length, between words where there are some.

    Parameters
    ----------
    text : str
        Any.
    parts : int
        Most parts.

    Returns
    -------
    list of str
        None of them empty or with white space around it.

    Examples
    --------
    >>> split_text("one two three four", 2)
    ['one two', 'three four']
    """
    borders = [0]
    for part in range(1, parts):
        at = len(text) * part // parts
        space = max(text.rfind(character, borders[-1] + 1, at + 1) for character in " \n\t")
        borders.append(space if space > 0 else at)
    pieces = [text[start:stop].strip() for start, stop in zip(borders, [*borders[1:], len(text)], strict=True)]
    return [piece for piece in pieces if piece]


def _fitting(encode: Encode, row: Mapping[str, str], most: int) -> list[Mapping[str, str]]:
    """Return the rows of the fewest parts of the longest field of which none is truncated, or of the most."""
    longest = max(row, key=lambda name: len(row[name]))

    def split(parts: int) -> list[Mapping[str, str]]:
        return [{**row, longest: part} for part in split_text(row[longest], parts)]

    return split(bisect_left(range(most), True, lo=2, key=lambda parts: not encode(split(parts)).truncated.any()))
