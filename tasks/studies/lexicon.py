"""Words that are single tokens, and their vectors: anchors, head rows, powers of the Gram matrix, states by layer."""

from collections.abc import Iterator

import numpy as np

from tasks.studies.inputs import Inputs
from vocabsem.instruments.base import Space, StudyResult
from vocabsem.instruments.lexicon import lexicon_study
from vocabsem.instruments.lexicon_data import (
    FEWEST,
    Judgments,
    read_analogies,
    read_pairs,
    read_ratings,
    read_valence,
    select_words,
)

SENSES = ("Visual", "Auditory", "Haptic", "Interoceptive", "Gustatory", "Olfactory")


def measure(inputs: Inputs) -> StudyResult:
    """Read judgments and vectors, and compare them."""
    files, params = inputs.files, inputs.params
    judgments = Judgments(
        pairs={name: read_pairs(files[name]) for name in ("simlex", "wordsim")},
        analogies=read_analogies(files["analogies"]),
        ratings={
            "concreteness": read_ratings(files["ratings"], ["Concreteness"]),
            "senses": read_ratings(files["senses"], SENSES),
            "valence": read_valence(files["valence"]),
        },
        scales={
            "concreteness": ("concreteness",),
            "senses": tuple(name.lower() for name in SENSES),
            "valence": ("valence",),
        },
    )
    tokens = inputs.single_tokens(judgments.words)
    limits, fewest = (params["max_words"], params["max_analogies"]), max(FEWEST, params["cv"])
    lexicon = select_words(judgments, tokens, *limits, inputs.spec.seed, fewest)
    spaces = list(_spaces(inputs, lexicon.words, np.array([tokens[word] for word in lexicon.words])))
    return lexicon_study(spaces, lexicon, cv=params["cv"], sampling=inputs.sampling)


def _spaces(inputs: Inputs, words: tuple[str, ...], tokens: np.ndarray) -> Iterator[Space]:
    head, anchors = inputs.vocabulary
    yield Space("random", None, inputs.sampling.generator(9).standard_normal((len(words), head.shape[1])))
    yield Space("head", None, head[tokens])
    values, axes = np.linalg.eigh(head.astype(np.float64).T @ head)
    kept = values > values[-1] * len(head) * np.finfo(np.float64).eps
    for exponent in inputs.params["exponents"]:
        power = axes[:, kept] * values[kept] ** -exponent
        yield Space(f"head·gram^-{exponent:g}", None, head[tokens] @ power @ axes[:, kept].T)
    yield Space("anchors", None, anchors[tokens])
    for name, template in inputs.spec.templates.items():
        for layer, states in inputs.text_states(words, template).items():
            yield Space(f"state {name}", layer, states)
