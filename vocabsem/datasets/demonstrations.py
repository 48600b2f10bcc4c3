"""In-context learning: labeled examples before the prompt, a prefix that all prompts of a data set share."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vocabsem.datasets.shots import choose_shots
from vocabsem.errors import DataError
from vocabsem.prompts.prompting import Ids, encode_prompts, encode_texts, splits_special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["PerClass", "choose_demonstrations", "encode_demonstrations", "max_demonstrations"]

PerClass = int | Literal["fit"]


def encode_demonstrations(
    tokenizer: "PreTrainedTokenizerBase",
    template: str,
    fields: Sequence[Mapping[str, str]],
    words: Sequence[str],
    *,
    max_tokens: int,
) -> list[Ids]:
    """Return the token ids of examples as demonstrations: the prompt, its label word, a blank line.

    Each is tokenized by itself, so that demonstrations can be counted, reordered and followed by any prompt.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's tokenizer.
    template : str
        The prompt's template.
    fields : sequence of mappings
        Template field → text of each of M examples.
    words : sequence of str
        Label word of each example.
    max_tokens : int
        Longest prompt of a demonstration; longer ones are truncated as any prompt.

    Returns
    -------
    list of list of int
        Of length M.

    Examples
    --------
    >>> rows = [{"text": "a witty movie"}]
    >>> encode_demonstrations(tokenizer, "{text} It was", rows, ["good"], max_tokens=64)  # doctest: +SKIP
    [[81, 31385, 3768, 657, 436, 1123, 198, 198]]
    """
    prompts = encode_prompts(tokenizer, template, fields, max_tokens=max_tokens, prepend_bos=False)
    texts = [f"{text} {word}\n\n" for text, word in zip(prompts.texts, words, strict=True)]
    return encode_texts(tokenizer, texts, splits_special_tokens(tokenizer, template))


def choose_demonstrations(
    labels: NDArray[np.int64], per_class: int, seed: int, classes: int, *, order: int = 0
) -> NDArray[np.int64]:
    """Return the indices of the training rows to demonstrate: the first shots of the seed, shuffled by it.

    Parameters
    ----------
    labels : ndarray of shape (N,)
        Labels of the training rows, in 0..classes-1.
    per_class : int
        Demonstrations of each class.
    seed : int
        Seed of the choice and of the order.
    classes : int
        Number of classes.
    order : int
        1, 2, ... are further orders of the same rows.

    Returns
    -------
    ndarray of shape (classes * per_class,), int64

    Raises
    ------
    DataError
        As `shots.choose_shots` does.

    Examples
    --------
    >>> sorted(choose_demonstrations(np.array([0, 1, 0, 1]), 2, seed=0, classes=2).tolist())
    [0, 1, 2, 3]
    """
    chosen = choose_shots(labels, per_class, seed, classes)
    entropy = [seed, per_class, order] if order else [seed, per_class]
    return np.random.default_rng(entropy).permutation(chosen)


def max_demonstrations(
    labels: NDArray[np.int64],
    lengths: Sequence[int],
    seed: int,
    classes: int,
    *,
    prompt_lengths: Sequence[int],
    max_tokens: int,
    truncated: float = 0.05,
) -> int:
    """Return the largest number of demonstrations per class that leaves space for all but few of the prompts.

    Parameters
    ----------
    labels : ndarray of shape (N,)
        Labels of the training rows, in 0..classes-1.
    lengths : sequence of int, length N
        Tokens of each training row as a demonstration.
    seed : int
        Seed of the choice of rows.
    classes : int
        Number of classes.
    prompt_lengths : sequence of int
        Tokens of the training prompts.
    max_tokens : int
        Tokens of demonstrations and prompt together.
    truncated : float, default=0.05
        Share of the prompts that may be truncated; the default is that of the paper, §4.1.

    Returns
    -------
    int

    Raises
    ------
    DataError
        Where not even one demonstration of each class fits.

    Examples
    --------
    >>> max_demonstrations(np.array([0, 1, 0, 1]), [10] * 4, 0, 2, prompt_lengths=[5], max_tokens=30)
    1
    """
    left = max_tokens - int(np.quantile(prompt_lengths, 1 - truncated, method="inverted_cdf"))
    rarest = int(np.bincount(labels, minlength=classes).min())
    turns = choose_shots(labels, rarest, seed, classes).reshape(rarest, classes)  # a row of each class in turn
    total = np.cumsum(np.asarray(lengths)[turns].sum(axis=1))
    fitting = int((total <= left).sum())
    if not fitting:
        raise DataError(
            f"one demonstration of each of {classes} classes does not fit: {max_tokens} tokens, the prompt needs"
            f" {max_tokens - left}: lower max_tokens"
        )
    return fitting
