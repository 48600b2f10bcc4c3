"""Inputs without content, whose predictions show a model's contextual bias."""

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["CONTENT_FREE", "DOMAIN_TEXTS", "content_free", "domain_words"]

CONTENT_FREE = ("N/A", "[MASK]", "")  # Zhao et al., 2021
DOMAIN_TEXTS = 20  # Fei et al., 2023


def content_free(names: Sequence[str]) -> list[dict[str, str]]:
    """Return content-free fields: N/A, [MASK] and the empty text (Zhao et al., 2021).

    Parameters
    ----------
    names : sequence of str
        Fields of the template.

    Returns
    -------
    list of dict of str to str
        Of length 3; the predictions for them show a model's contextual bias.

    Examples
    --------
    >>> content_free(["text"])
    [{'text': 'N/A'}, {'text': '[MASK]'}, {'text': ''}]
    """
    return [dict.fromkeys(names, text) for text in CONTENT_FREE]


def domain_words(examples: Sequence[Mapping[str, str]], seed: int, n_texts: int = DOMAIN_TEXTS) -> list[dict[str, str]]:
    """Return fields of random words of the examples, as long as these are on average (Fei et al., 2023).

    Parameters
    ----------
    examples : sequence of mappings
        Template field → text.
    seed : int
        Seed of the choice of words.
    n_texts : int, default=20
        How many texts to make; the default is that of Fei et al. (2023).

    Returns
    -------
    list of dict of str to str
        Of length `n_texts`.

    Examples
    --------
    >>> domain_words([{"text": "good good"}], seed=0)[0]
    {'text': 'good good'}
    """
    generator = np.random.default_rng(seed)
    made: list[dict[str, str]] = [{} for _ in range(n_texts)]
    for name in examples[0]:
        words = [word for example in examples for word in example[name].split()]
        length = max(1, round(len(words) / len(examples)))
        for fields in made:
            fields[name] = " ".join(words[i] for i in generator.integers(len(words), size=length))
    return made
