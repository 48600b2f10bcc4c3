"""Vectors of words that have an order, states of the numbers 0 to 99, and what attention heads write of the words."""

from collections.abc import Iterator

import numpy as np

from tasks.models.loaded import inference, loaded_causal
from tasks.studies.inputs import Inputs
from vocabsem.instruments.base import Space, StudyResult
from vocabsem.instruments.order import digit_values, order_study
from vocabsem.instruments.order_heads import successor_study
from vocabsem.instruments.order_words import SEQUENCES, select_sequences
from vocabsem.states.attention_heads import head_circuits

DIGITS = "digits"  # template of the numbers; the others are of words


def measure(inputs: Inputs) -> StudyResult:
    """Measure order in words, numbers and attention heads."""
    spec = inputs.spec
    tokens = inputs.single_tokens(list(dict.fromkeys(word for words in SEQUENCES.values() for word in words)))
    sequences = select_sequences(tokens, min_words=inputs.params["min_words"])
    sampling = inputs.sampling
    result = order_study(list(_spaces(inputs, tokens)), sequences, sampling)
    values, items = list(result.values), list(result.items)
    if DIGITS in spec.templates:
        states = inputs.text_states([str(number) for number in range(100)], spec.templates[DIGITS])
        values += digit_values([Space("state", layer, rows) for layer, rows in states.items()], sampling)
    with inference():
        network = loaded_causal(inputs.model, inputs.home, spec.dtype, inputs.device)
        circuits = head_circuits(network, list(tokens.values()))
    if circuits:
        heads = successor_study(circuits, sequences, sampling)
        values, items = [*values, *heads.values], [*items, *heads.items]
    return StudyResult(tuple(values), tuple(items))


def _spaces(inputs: Inputs, tokens: dict[str, int]) -> Iterator[Space]:
    (head, anchors), rows = inputs.vocabulary, np.array(list(tokens.values()))
    yield Space("random", None, inputs.sampling.generator(9).standard_normal((len(rows), head.shape[1])))
    yield Space("head", None, head[rows])
    yield Space("anchors", None, anchors[rows])
    for name, template in inputs.spec.templates.items():
        if name != DIGITS:
            for layer, states in inputs.text_states(list(tokens), template).items():
                yield Space(f"state {name}", layer, states)
