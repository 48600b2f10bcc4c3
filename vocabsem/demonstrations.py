"""In-context learning: labeled examples before the question, a beginning that all prompts of a data set share."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vocabsem.errors import DataError
from vocabsem.prompting import Ids, encode_prompts, encode_texts, reads_literally
from vocabsem.shots import choose_shots

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PerClass = int | Literal["fit"]
TRUNCATED = 0.05  # with "fit", the share of training prompts that would be longer than the room left (paper, §4.1)


def encode_demonstrations(
    tokenizer: "PreTrainedTokenizerBase",
    template: str,
    fields: Sequence[Mapping[str, str]],
    words: Sequence[str],
    *,
    max_tokens: int,
) -> list[Ids]:
    """Token ids of each of M examples as a demonstration: its prompt, shortened as any prompt, its word, a blank line.

    Each is tokenized by itself, so that demonstrations can be counted, reordered and followed by any question.
    """
    prompts = encode_prompts(tokenizer, template, fields, max_tokens=max_tokens, prepend_bos=False)
    texts = [f"{text} {word}\n\n" for text, word in zip(prompts.texts, words, strict=True)]
    return encode_texts(tokenizer, texts, reads_literally(tokenizer, template))


def choose_demonstrations(
    labels: NDArray[np.int64], per_class: int, seed: int, classes: int, *, order: int = 0
) -> NDArray[np.int64]:
    """Indices (classes · per_class,) of the training rows to show: the first shots of the seed, in an order by it.

    `order` 1, 2, … are further orders of the same rows.
    """
    chosen = choose_shots(labels, per_class, seed, classes)
    drawn_by = [seed, per_class, order] if order else [seed, per_class]
    return np.random.default_rng(drawn_by).permutation(chosen)


def most_that_fit(
    labels: NDArray[np.int64], lengths: Sequence[int], seed: int, classes: int, *, questions: Sequence[int], room: int
) -> int:
    """The most demonstrations per class that leave room for all but 5 % of the questions.

    labels (N,) and lengths (N,): training rows and their tokens as demonstrations; questions: tokens of the training
    prompts; room: tokens in all. Raises DataError where not even one of each class fits.
    """
    left = room - int(np.quantile(questions, 1 - TRUNCATED, method="inverted_cdf"))
    rarest = int(np.bincount(labels, minlength=classes).min())
    turns = choose_shots(labels, rarest, seed, classes).reshape(rarest, classes)  # a row of each class in turn
    total = np.cumsum(np.asarray(lengths)[turns].sum(axis=1))
    fitting = int((total <= left).sum())
    if not fitting:
        raise DataError(
            f"one demonstration of each of {classes} classes does not fit: {room} tokens, of which the question needs"
            f" {room - left}: lower max_tokens"
        )
    return fitting
