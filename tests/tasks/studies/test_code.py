"""What the studies of code read: tokens of functions and programs, states of leaves and of ends of lines."""

from types import SimpleNamespace

import numpy as np
import pytest

from tasks.models.loaded import inference, loaded
from tasks.studies import meaning_of_programs, syntax
from tests.tasks.worlds import World, model
from vocabsem.errors import CardError, DataError
from vocabsem.instruments.base import Sampling
from vocabsem.instruments.programs import make_programs
from vocabsem.instruments.syntax_trees import parse_function
from vocabsem.states.extraction import extract

SOURCES = [f"def f{n}(a, b):\n    if a:\n        return a + {n}\n    return b" for n in range(24)]


@pytest.fixture
def inputs(tmp_path):
    """The tiny model, two files of functions, small parameters."""
    for name, some in (("train", SOURCES[:12]), ("test", SOURCES[10:])):
        (tmp_path / f"{name}.py").write_text("\n\n\n".join(some) + "\n")
    spec = SimpleNamespace(study="made", layers=(0, 2), dtype="float32", seed=0, max_tokens=100)
    return SimpleNamespace(
        home=World(tmp_path).home,
        model=model(),
        device="cpu",
        sampling=Sampling(resamples=20, null_draws=20, seed=1),
        files={name: tmp_path / f"{name}.py" for name in ("train", "test")},
        params={"functions": 12, "held_out": 10, "ranks": (4,), "epochs": 1, "control": True},
        spec=spec,
    )


def test_no_token_is_of_two_leaves_and_all_spell_the_function(inputs):
    trees = [parse_function(source) for source in SOURCES[:3]]
    with inference():
        tokenizer = loaded(inputs.model, inputs.home, "float32", "cpu").tokenizer

    def spelled(tokens):
        return "".join(tokenizer.convert_ids_to_tokens(tokens)).replace("Ġ", " ").replace("Ċ", "\n")

    for tree, (ids, leaves) in zip(trees, syntax._prompts(inputs, trees), strict=True):
        assert spelled(ids) == syntax.BEFORE + tree.source
        for leaf, word in enumerate(tree.words):
            own = [token for token, of in zip(ids, leaves, strict=True) if of == leaf]
            assert spelled(own).removeprefix(" ") == word


def test_a_leaf_has_the_mean_state_of_its_tokens():
    prompts = [([5, 6, 7, 8], [-1, 0, 0, 1]), ([5, 9, 3, 4, 4], [-1, 0, -1, 1, 1])]
    states = np.random.default_rng(0).standard_normal((9, 3))
    expected = [states[1:3].mean(axis=0), states[3], states[5], states[7:9].mean(axis=0)]
    np.testing.assert_allclose(syntax._of_leaves(prompts, {4: states})[4], expected)


def test_functions_of_both_files_are_apart_and_every_layer_has_its_figures(inputs):
    train, _ = syntax._chosen(inputs, "train", 12)
    test, _ = syntax._chosen(inputs, "test", 10, {tree.source for tree in train})
    assert {tree.source for tree in train} == set(SOURCES[:12])
    assert len(test) == 10
    assert {tree.source for tree in test} <= set(SOURCES[12:])
    values = syntax.measure(inputs).values
    assert {value.layer for value in values} == {None, 0, 2}
    assert {value.n for value in values} == {10}
    assert {value.metric for value in values} > {"span_f1", "unary_selectivity"}


def test_what_functions_and_ranks_do_not_allow_is_refused(inputs):
    inputs.params["ranks"] = (4, 999)
    with pytest.raises(CardError, match="ranks has 999, and states of 'tiny-llama' have 32 dimensions: give smaller"):
        syntax.measure(inputs)
    inputs.params["ranks"] = (4,)
    inputs.spec.max_tokens = 12
    with pytest.raises(DataError, match=r"train.py has 0 functions of at most 12 tokens: give at least 10, or raise"):
        syntax.measure(inputs)


def test_programs_are_read_at_their_ends(inputs, monkeypatch):
    inputs.params = {"programs": 30, "held_out": 20, "operations": 2, "control": True}
    given, named = [], {}

    def keep(*arguments, **others):
        given.extend(arguments)
        named.update(others)

    monkeypatch.setattr(meaning_of_programs, "meaning_of_programs_study", keep)
    meaning_of_programs.measure(inputs)
    unit, spaces, true, swapped, lines, n, _ = given
    programs = make_programs(50, 2, inputs.sampling.generator(2))
    assert (unit, n) == ("2 operations", 30)
    assert lines == ["; ".join(of) for of in programs.lines]
    np.testing.assert_array_equal(np.stack([true, swapped]), [programs.true[:, 2], programs.swapped[:, 2]])
    same = np.equal.outer([of[-1] for of in programs.lines], [of[-1] for of in programs.lines])
    np.testing.assert_array_equal(np.equal.outer(named["last"], named["last"]), same)
    with inference():
        network = loaded(inputs.model, inputs.home, "float32", "cpu")
        prompts = [
            [token for line in of for token in network.tokenizer(f"{line}\n")["input_ids"]] for of in programs.lines
        ]
        expected = extract(network, prompts, [0, 2])
    own, other = (
        {space.layer: space.vectors for space in spaces if space.variant == variant}
        for variant in ("state", "untrained")
    )
    for layer, rows in expected.items():
        np.testing.assert_allclose(own[layer], rows, rtol=0.004, atol=1e-4)  # bfloat16 has 8 bits
        assert not np.allclose(other[layer], rows, atol=0.02)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"operations": 1}, "programs and held_out are 50, and there are 40 programs of 1 operations: give fewer"),
        ({"operations": 12}, "a program of 12 operations is .* tokens, and max_tokens is 100: raise it"),
        ({"operations": 13}, "operations is 13: give at most 12"),
    ],
)
def test_programs_that_there_are_not_are_refused(inputs, params, message):
    inputs.params = {"programs": 30, "held_out": 20, "control": False} | params
    with pytest.raises(CardError, match=message):
        meaning_of_programs.measure(inputs)
