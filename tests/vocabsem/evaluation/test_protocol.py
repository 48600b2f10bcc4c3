"""The protocol: frozen, equal to what is computed, and compared with cards and examples."""

import dataclasses
import re

import pytest

from flows.planning.experiment import load_experiment
from flows.planning.variants import load_variant
from tasks.comparisons import METRICS as COMPARED
from tasks.steps import samples
from tests.conftest import ROOT
from vocabsem.cards.loader import load_card
from vocabsem.datasets.example_hashes import example_hash, split_hash
from vocabsem.datasets.examples import read_examples
from vocabsem.errors import CardError
from vocabsem.evaluation import metrics, resampling
from vocabsem.evaluation.protocol import PROTOCOLS, card_deviations, example_deviations, summary
from vocabsem.sources.readers import fetch_files

ONE = PROTOCOLS[1]
HELD = {"protocol": 1, "datasets": list(ONE.datasets), "shots": list(ONE.shots), "seeds": list(ONE.seeds)}
HELD |= {"methods": ["zero_shot", "ridge"]}
IN_PACKAGES = ("bbc_news", "reuters_r8", "rotten_tomatoes", "plot_or_review", "newsgroups20", "imdb")


def deviations(name, **overrides):
    return card_deviations(load_experiment(name, overrides).model_dump(mode="json"))


def test_what_is_computed_is_what_the_protocol_states():
    """A change of one of these is a change of the protocol: it gets the next number."""
    assert set(ONE.metrics) == set(metrics.METRICS)
    assert ONE.metrics[0] == COMPARED[0] == "macro_f1"
    assert (ONE.bins, ONE.resamples, ONE.comparison_resamples) == (
        metrics.BINS,
        resampling.RESAMPLES,
        samples.RESAMPLES,
    )
    assert ONE.interval == 0.975 - 0.025


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ONE.seeds = (0,)
    with pytest.raises(TypeError):
        PROTOCOLS[2] = ONE


def test_the_page_has_its_hashes_and_its_settings():
    page = (ROOT / "docs" / "protocol.md").read_text()
    rows = re.findall(r"^\| (\w+) \| `(\w+)` \| (?:`(\w+)`)? ?\| `(\w+)` \|$", page, re.MULTILINE)
    assert [name for name, *_ in rows] == list(ONE.datasets)
    for name, *hashes in rows:
        given = zip(("train", "validation", "test"), hashes, strict=True)
        assert {split: each for split, each in given if each} == ONE.datasets[name]
    assert f"| data sets | {', '.join(ONE.datasets)}," in page
    assert f"| budgets | {', '.join(map(str, ONE.shots[:-1]))} labeled examples per class, and all;" in page
    assert f"{ONE.resamples:,} bootstrap resamples" in page
    assert f"{ONE.comparison_resamples:,} resamples" in page
    assert page.count("\n") <= 80


def test_a_card_that_follows_it_has_no_deviations():
    given = HELD | {"limits": {}, "datasets": HELD["datasets"][::-1], "seeds": HELD["seeds"][::-1]}
    assert deviations("full_size", **given) == []
    assert load_experiment("full_size", HELD).protocol == 1
    assert summary([]) == "protocol 1"


@pytest.mark.parametrize(
    ("overrides", "part", "expected", "given"),
    [
        ({"datasets": ["trec"]}, "datasets", "the 11 of the protocol", "without agnews, bbc_news"),
        ({"datasets": [*ONE.datasets, "trec@bare"]}, "datasets", "the 11 of the protocol", "with trec@bare"),
        ({"limits": {"test": 100}}, "limits.test", "every row", "100"),
        ({"shots": [0, "all"]}, "shots", "[0, 1, 4, 16, 64, 256, all]", "[0, all]"),
        ({"on_insufficient": "raise"}, "on_insufficient", "use_all", "raise"),
        ({"seeds": [5, 6]}, "seeds", "[0, 1, 2, 3, 4]", "[5, 6]"),
        ({"temperature": False}, "temperature", "true", "false"),
        ({"layers": "auto"}, "layers", "chosen by no more labels than the shots", "auto"),
        ({"methods": [{"method": "ridge", "seeds": 2}]}, "seeds of ridge", "5", "2"),
        ({"methods": [{"method": "ridge", "shots": [4]}]}, "shots of ridge", "[0, 1, 4, 16, 64, 256, all]", "[4]"),
    ],
)  # fmt: skip
def test_each_deviation_is_named_and_is_an_error_where_the_card_is_held_to_it(overrides, part, expected, given):
    (deviation,) = deviations("full_size", **(HELD | overrides | {"protocol": None}))
    assert deviation[:2] == (part, expected)
    assert deviation.given.startswith(given)
    assert summary([deviation]) == f"protocol 1 but for {part}"
    with pytest.raises(CardError, match=re.escape(f"not as in protocol 1: {part}: {given}")) as error:
        load_experiment("full_size", HELD | overrides)
    assert "leave 'protocol' out" in str(error.value)


def test_examples_are_compared_split_by_split_and_other_sets_are_passed_over():
    trec = dict(ONE.datasets["trec"])
    assert example_deviations({"trec": trec, "mine": {"test": "0" * 16}}) == []
    result = example_deviations({"trec": trec | {"test": "0" * 16, "validation": "1" * 16}})
    assert result == [
        ("test examples of trec", trec["test"], "0" * 16),
        ("validation examples of trec", "none", "1" * 16),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_PACKAGES)
def test_the_examples_of_packages_are_those_of_the_protocol(name, cache):
    card = load_card("datasets", name)
    examples = read_examples(card, fetch_files(card, cache), limits={}, cache=cache / "datasets")
    hashes = {}
    for split, label, fields in zip(examples.split, examples.labels, examples.fields, strict=True):
        hashes.setdefault(split, []).append(example_hash(fields, card.label_names[label]))
    assert {split: split_hash(each) for split, each in hashes.items()} == ONE.datasets[name]


def test_a_path_is_compared_by_the_name_of_its_card():
    card = load_experiment("full_size", HELD).model_dump(mode="json")
    card["datasets"] = [f"cards/datasets/{name}.yaml" for name in card["datasets"]]
    assert card_deviations(card) == []


def test_a_deviation_is_named_once_whatever_number_of_methods_has_it():
    twice = [{"method": "ridge", "seeds": 2}, {"method": "ridge", "seeds": 2, "params": {"center": False}}]
    card = load_experiment("full_size", HELD | {"protocol": None}).model_dump(mode="json")
    assert len(card_deviations(card | {"methods": twice})) == 1


def test_a_card_that_is_held_to_it_is_the_same_experiment():
    """The key is a label: with it or without it, figures have one name."""
    assert load_variant("full_size", {"protocol": None}).name == "full_size"
    with pytest.raises(CardError, match="not as in protocol 1"):
        load_variant("full_size", {"protocol": 1})


def test_another_version_is_refused():
    with pytest.raises(CardError, match="protocol: Input should be 1"):
        load_experiment("full_size", HELD | {"protocol": 2})


def test_the_same_methods_are_free(tmp_path):
    """Models, layers, dtype and length of prompts are what is compared, or stated beside it."""
    free = {"models": ["gpt2"], "layers": [3, "last"], "dtype": "float32", "max_tokens": 32, "gauge": "centered"}
    assert load_experiment("full_size", HELD | free).protocol == 1
