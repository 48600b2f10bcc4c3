"""Prompts about nothing: what a model answers to them is its bias (contextual and domain calibration)."""

from collections.abc import Mapping, Sequence

import numpy as np

CONTENT_FREE = ("N/A", "[MASK]", "")  # Zhao et al., 2021
DOMAIN_TEXTS = 20  # Fei et al., 2023


def content_free(names: Sequence[str]) -> list[dict[str, str]]:
    """Fields without content, one set for each of the three inputs."""
    return [dict.fromkeys(names, text) for text in CONTENT_FREE]


def domain_words(examples: Sequence[Mapping[str, str]], seed: int) -> list[dict[str, str]]:
    """Twenty sets of fields made of random words of the examples' fields, each as long as these are on average."""
    generator = np.random.default_rng(seed)
    made: list[dict[str, str]] = [{} for _ in range(DOMAIN_TEXTS)]
    for name in examples[0]:
        words = [word for example in examples for word in example[name].split()]
        length = max(1, round(len(words) / len(examples)))
        for fields in made:
            fields[name] = " ".join(words[i] for i in generator.integers(len(words), size=length))
    return made
