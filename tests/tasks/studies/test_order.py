"""What the study of order hands to its instruments: rows of words, states by template, heads where they are read."""

from dataclasses import dataclass
from itertools import combinations, permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tasks.models.loaded import inference, loaded_causal
from tasks.studies import order
from tests.tasks.worlds import World, model
from tests.vocabsem.architectures import save
from vocabsem.instruments.base import Sampling
from vocabsem.instruments.order_words import SEQUENCES

DAYS = SEQUENCES["days"]
WIDTH = 24
TEMPLATES = {"word": "a word: {text}", "digits": "the number {text} is"}


@dataclass
class MadeInputs:
    """As `Inputs`, without a lake and a tokenizer."""

    home: Any
    model: Any
    device: str
    vocabulary: Any
    single_tokens: Any
    sampling: Any
    params: Any
    spec: Any
    text_states: Any
    read: list


def made_spec(**content):
    return SimpleNamespace(**content, model_copy=lambda update: made_spec(**content | update))


@pytest.fixture
def inputs(tmp_path):
    """Days that lie on a circle in layer 1, numbers whose digits have a direction each, and the tiny model's heads."""
    generator = np.random.default_rng(0)
    head, anchors = generator.standard_normal((384, WIDTH)), generator.standard_normal((384, WIDTH))
    angles = 2 * np.pi * np.arange(7) / 7
    ring = np.stack([np.sin(angles), np.cos(angles)], axis=1) @ generator.standard_normal((2, WIDTH))
    digits = generator.standard_normal((10, WIDTH))
    numbers = digits[np.arange(100) % 10] + generator.standard_normal((10, WIDTH))[np.arange(100) // 10]
    read = []

    def text_states(texts, template):
        read.append((list(texts), template))
        noise = 0.01 * generator.standard_normal((len(texts), WIDTH))
        return {0: np.ones((len(texts), WIDTH)), 1: noise + (numbers if len(texts) == 100 else ring)}

    return MadeInputs(
        home=World(tmp_path).home,
        model=model(),
        device="cpu",
        vocabulary=(head, anchors),
        single_tokens=lambda words: {word: 10 * row for row, word in enumerate(words) if word in DAYS},
        sampling=Sampling(resamples=20, null_draws=40, seed=1),
        params={"min_words": 5},
        spec=made_spec(templates=TEMPLATES, dtype="float32"),
        text_states=text_states,
        read=read,
    )


def test_words_numbers_and_heads_are_measured(inputs):
    result = order.measure(inputs)
    values = {(value.unit, value.metric, value.variant, value.layer): value for value in result.values}
    ring = values["days", "circular", "state word", 1]
    assert ring.value > 0.9
    assert ring.interval[0] > ring.null[1]
    assert {variant for unit, metric, variant, _ in values if metric == "linear"} == {
        *("random", "head", "anchors", "state word")
    }
    for metric in ("units_digit", "tens_digit"):
        assert values["0 to 99", metric, "state", 1].value > 0.9
        assert ("0 to 99", metric, "state", 0) not in values, "the states of layer 0 are all one"
    depth = inputs.model.layers
    assert {layer for unit, metric, _, layer in values if metric == "head_successor"} == {None, *range(1, depth + 1)}
    assert inputs.read == [(list(DAYS), "a word: {text}"), ([str(n) for n in range(100)], "the number {text} is")]
    assert {item.item for item in result.items} >= {"days: anchors", "days: state word", "heads: days"}


def test_vectors_are_the_rows_of_the_tokens(inputs):
    tokens = inputs.single_tokens([word for words in SEQUENCES.values() for word in words])
    spaces = {(space.variant, space.layer): space.vectors for space in order._spaces(inputs, tokens)}
    head, anchors = inputs.vocabulary
    rows = list(tokens.values())
    np.testing.assert_array_equal(spaces["head", None], head[rows])
    np.testing.assert_array_equal(spaces["anchors", None], anchors[rows])
    assert spaces["random", None].shape == (len(rows), WIDTH)


def test_without_a_template_of_digits_and_for_other_architectures_the_words_are_left(inputs, tmp_path):
    inputs.spec.templates = {"word": "a word: {text}"}
    inputs.model = save("gpt2", tmp_path / "gpt2")
    result = order.measure(inputs)
    assert {value.metric for value in result.values} == {"circular", "linear"}
    assert result.notes[1:] == (
        ("attention heads", "left out: their weights are not read in models of this architecture"),
    )


def answering(inputs, states, known=("before", "after")):
    """Inputs of the days alone, whose pairs have the states that a function of two days gives."""
    tokens = {word: 3 + row for row, word in enumerate((*known, *DAYS))}
    inputs.single_tokens = lambda words: {word: tokens[word] for word in words if word in tokens}
    inputs.spec.templates = {"before": "compared with {text} comes"}

    def text_states(texts, template):
        inputs.read.append((list(texts), template))
        pairs = [[DAYS.index(day) for day in text.split(", ")] for text in texts]
        return {inputs.model.layers: np.stack([states(one, other) for other, one in pairs]).astype(np.float32)}

    inputs.text_states = text_states
    with inference():
        head = loaded_causal(inputs.model, inputs.home, "float32", "cpu").head
    return (head.weight[3] - head.weight[4]).numpy().astype(np.float64)


def answers_of(inputs):
    values = [value for value in order.measure(inputs).values if value.metric.startswith("before_")]
    return {(value.variant, value.metric): value for value in values}


def test_every_pair_has_two_prompts_and_a_planted_answer_is_read_through_the_head(inputs):
    direction = answering(inputs, lambda one, other: (other - one) * direction)
    values = answers_of(inputs)
    assert {value.value for value in values.values()} == {1}
    assert {(value.unit, value.layer) for value in values.values()} == {("days", inputs.model.layers)}
    ((texts, template),) = inputs.read
    assert template == "compared with {text} comes"
    assert texts == [f"{other}, {one}" for one, other in permutations(DAYS, 2)]
    inputs.read.clear()
    answering(inputs, lambda one, other: direction)
    values = answers_of(inputs)
    assert values["answers", "before_accuracy"].value == 0.5
    assert values["answers", "before_consistency"].value == 0


def test_answers_of_noise_are_the_differences_of_two_logits(inputs):
    states = np.random.default_rng(5).standard_normal((7, 7, inputs.model.hidden_size))
    direction = answering(inputs, lambda one, other: states[one, other])
    scores = states @ direction
    values, n = answers_of(inputs), 21
    preferred = sum(scores[one, other] > scores[other, one] for one, other in combinations(range(7), 2))
    consistent = sum((scores[one, other] > 0) != (scores[other, one] > 0) for one, other in combinations(range(7), 2))
    for metric, hits in (("before_preference", preferred), ("before_consistency", consistent)):
        value = values["answers", metric]
        assert value.value == pytest.approx(hits / n)
        assert value.null[0] <= value.value <= value.null[1]


@pytest.mark.parametrize(
    ("known", "missing"), [(("before",), "' after'"), (("after",), "' before'"), ((), "' before' and ' after'")]
)
def test_without_a_token_for_each_answer_there_are_none_and_a_note_says_so(inputs, known, missing):
    answering(inputs, lambda one, other: np.zeros(inputs.model.hidden_size), known=known)
    assert answers_of(inputs) == {}
    assert inputs.read == []
    note = ("answers to which comes first", f"left out: no single token of the model is {missing}")
    assert order.measure(inputs).notes[1:] == (note,)


def test_sequences_without_enough_words_are_named_in_one_note(inputs):
    (note,) = order.measure(inputs).notes
    others = ", ".join(name for name in SEQUENCES if name != "days")
    assert note == (others, "left out: fewer than 5 of the words are single tokens of the model")
    every = [word for words in SEQUENCES.values() for word in words]
    inputs.single_tokens = lambda words: {word: every.index(word) for word in words if word in every}
    sequences = order.select_sequences(inputs.single_tokens(every))
    assert list(order._too_short(sequences, 5)) == []
