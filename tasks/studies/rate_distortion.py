"""Test examples of each data set by layer with their labels; nouns by lexicographer file of WordNet."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tasks.studies.inputs import Inputs
from vocabsem.instruments.base import Item, Space, StudyResult, Value
from vocabsem.instruments.rate_distortion import rate_distortion_study
from vocabsem.instruments.rate_distortion_sets import FEWEST, final_f1, relations_to_f1
from vocabsem.instruments.wordnet_nouns import categories_of, wordnet_nouns

WORD = "word"  # template of the nouns; without it they are left out


def measure(inputs: Inputs) -> StudyResult:
    """Measure labels as a partition of states, beside the final F1 over data sets, and categories of nouns."""
    nouns = _nouns(inputs) if WORD in inputs.spec.templates else StudyResult(())
    values: list[Value] = []
    items: list[Item] = []
    for name, dataset in inputs.datasets.items():
        (_, known, train), (_, labels, test) = (inputs.stored_states(name, split) for split in ("train", "test"))
        spaces = [Space("state", layer, rows) for layer, rows in test.items()]
        spaces.append(Space("gaussian", None, _gaussian(spaces[-1].vectors, inputs.sampling.generator(9))))
        result = _partition(inputs, name, spaces, labels, dataset.label_names)
        last = max(test)
        f1 = final_f1(name, last, train[last], test[last], (known, labels), inputs.sampling)
        values, items = [*values, *result.values, f1], [*items, *result.items]
    values += relations_to_f1(values, inputs.sampling)
    few = len(inputs.datasets) < FEWEST
    notes = [("relations to the final F1", f"left out: they are over {FEWEST} data sets or more")] if few else []
    return StudyResult((*values, *nouns.values), (*items, *nouns.items), notes=tuple(notes))


def _nouns(inputs: Inputs) -> StudyResult:
    """Measure lexicographer files as a partition of vectors of nouns, in the vocabulary and by layer."""
    tokens = inputs.single_tokens(list(wordnet_nouns()))
    words, labels, names = categories_of(tokens, inputs.params["min_words"])
    (head, anchors), rows = inputs.vocabulary, np.array([tokens[word] for word in words])
    states = inputs.text_states(words, inputs.spec.templates[WORD])
    generator = inputs.sampling.generator(8)
    spaces = [
        Space("random", None, generator.standard_normal((len(rows), head.shape[1]))),
        Space("head", None, head[rows]),
        Space("anchors", None, anchors[rows]),
        Space("gaussian", None, _gaussian(states[max(states)], generator)),
        *(Space("state", layer, vectors) for layer, vectors in states.items()),
    ]
    return _partition(inputs, "nouns of WordNet", spaces, labels, names)


def _partition(inputs: Inputs, unit: str, spaces: list[Space], labels: np.ndarray, names: Sequence[str]) -> StudyResult:
    """Return the study of one partition, with the names of its categories."""
    starts = inputs.params["starts"]
    result = rate_distortion_study(unit, spaces, labels, starts=starts, sampling=inputs.sampling)
    return replace(result, items=tuple(replace(item, text=names[int(item.text)]) for item in result.items))


def _gaussian(vectors: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return Gaussian vectors of the same covariance, without regard to labels."""
    centered = vectors - vectors.mean(axis=0)
    mixed: np.ndarray = generator.standard_normal((len(vectors), len(vectors))) @ centered / np.sqrt(len(vectors))
    return mixed
