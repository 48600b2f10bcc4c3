"""Vectors and states of words that have an order, of numbers; answers to which comes before; what heads write."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np

from tasks.models.loaded import inference, loaded_causal
from tasks.studies.inputs import Inputs
from vocabsem.instruments.base import Space, StudyResult
from vocabsem.instruments.order import digit_values, order_study
from vocabsem.instruments.order_answers import answers_study
from vocabsem.instruments.order_heads import successor_study
from vocabsem.instruments.order_words import SEQUENCES, Ordered, select_sequences
from vocabsem.states.attention_heads import head_circuits

DIGITS = "digits"  # template of the numbers
BEFORE = "before"  # of pairs of words; the others are of words
ANSWERS = ("before", "after")


def measure(inputs: Inputs) -> StudyResult:
    """Measure order in words, numbers, answers and attention heads."""
    spec = inputs.spec
    tokens = inputs.single_tokens(list(dict.fromkeys(word for words in SEQUENCES.values() for word in words)))
    sequences = select_sequences(tokens, min_words=inputs.params["min_words"])
    sampling = inputs.sampling
    result = order_study(list(_spaces(inputs, tokens)), sequences, sampling)
    values, items = list(result.values), list(result.items)
    notes = list(_too_short(sequences, inputs.params["min_words"]))
    if DIGITS in spec.templates:
        states = inputs.text_states([str(number) for number in range(100)], spec.templates[DIGITS])
        values += digit_values([Space("state", layer, rows) for layer, rows in states.items()], sampling)
    several = [word for word in ANSWERS if word not in inputs.single_tokens(ANSWERS)]
    if BEFORE in spec.templates and several:
        words = " and ".join(f"' {word}'" for word in several)
        notes.append(("answers to which comes first", f"left out: no single token of the model is {words}"))
    elif BEFORE in spec.templates:
        answers = answers_study(_answers(inputs, sequences), sequences, inputs.model.layers, sampling)
        values, items = [*values, *answers.values], [*items, *answers.items]
    with inference():
        network = loaded_causal(inputs.model, inputs.home, spec.dtype, inputs.device)
        circuits = head_circuits(network, list(tokens.values()))
    if circuits:
        heads = successor_study(circuits, sequences, sampling)
        values, items = [*values, *heads.values], [*items, *heads.items]
    else:
        notes.append(("attention heads", "left out: their weights are not read in models of this architecture"))
    return StudyResult(tuple(values), tuple(items), notes=tuple(notes))


def _too_short(sequences: Sequence[Ordered], min_words: int) -> Iterator[tuple[str, str]]:
    """Yield, in one note, the sequences that were not kept."""
    if missing := [name for name in SEQUENCES if name not in {sequence.name for sequence in sequences}]:
        yield ", ".join(missing), f"left out: fewer than {min_words} of the words are single tokens of the model"


def _spaces(inputs: Inputs, tokens: dict[str, int]) -> Iterator[Space]:
    (head, anchors), rows = inputs.vocabulary, np.array(list(tokens.values()))
    yield Space("random", None, inputs.sampling.generator(9).standard_normal((len(rows), head.shape[1])))
    yield Space("head", None, head[rows])
    yield Space("anchors", None, anchors[rows])
    for name, template in inputs.spec.templates.items():
        if name not in (DIGITS, BEFORE):
            for layer, states in inputs.text_states(list(tokens), template).items():
                yield Space(f"state {name}", layer, states)


def _answers(inputs: Inputs, sequences: Sequence[Ordered]) -> dict[str, np.ndarray]:
    """Return by sequence how much more likely "before" than "after" follows a word (row) beside another (column)."""
    import torch

    depth = inputs.model.layers
    pairs = [(of, *pair) for of in sequences for pair in permutations(range(len(of.words)), 2)]
    texts = [f"{of.words[other]}, {of.words[one]}" for of, one, other in pairs]
    last = replace(inputs, spec=inputs.spec.model_copy(update={"layers": (depth,)}))
    states = last.text_states(texts, inputs.spec.templates[BEFORE])[depth]
    rows = list(inputs.single_tokens(ANSWERS).values())
    with inference():
        head = loaded_causal(inputs.model, inputs.home, inputs.spec.dtype, inputs.device).head
    bias = None if head.bias is None else head.bias[rows]
    logits = replace(head, weight=head.weight[rows], bias=bias, tokens=2).logits(torch.from_numpy(states)).numpy()
    answers = {of.name: np.zeros((len(of.words), len(of.words))) for of in sequences}
    for (of, one, other), (before, after) in zip(pairs, logits, strict=True):
        answers[of.name][one, other] = before - after
    return answers
