"""Options of rows from the card to the metrics, against whole forwards of prompt and option in float64."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from flows.planning.experiment import MethodSpec
from flows.planning.method_rules import unserved_labels
from tasks.models.loaded import loaded, tokenizing
from tasks.steps.lake_reads import prompt_rows, read_states
from tests.tasks.worlds import World, compute, fit_of, sentences
from vocabsem.errors import CardError, DataError
from vocabsem.states.choice_scores import MISSING
from warehouse.lake.partition import Lake

LETTERS = [
    {"name": c, "value": i, "word": w} for i, (c, w) in enumerate(zip("ABC", ["one", "two", "good"], strict=True))
]
OPTIONS = [["a bad plot", "good", "a moving story"], ["dull film", "great"], ["story", "moving", "plot plot"]]
DATASET = {
    "labels": LETTERS,
    "label_kind": "choice",
    "choices": {"columns": "options"},
    "template": "review : {text} sentiment :",
}
IN_LETTERS = DATASET | {"choices": {"columns": "options", "letters": "{text} one {A} two {B} good {C} sentiment :"}}
METHODS = [
    *({"method": "zero_shot", "scoring": scoring} for scoring in ("exact", "exact_mean", "exact_characters")),
    {"method": "pmi", "scoring": "exact"},
]
SPLITS = ("validation", "test")


def made(folder, dataset, methods, options=OPTIONS):
    """A world whose rows choose among some of the options."""
    rows = [
        {"text": row["text"], "options": (mine := options[number % len(options)]), "label": number // 3 % len(mine)}
        for number, row in enumerate(sentences())
    ]
    return World(folder, dataset=dataset, experiment={"methods": methods, "shots": [0], "champion": False}, rows=rows)


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    plan = made(tmp_path_factory.mktemp("options"), DATASET, METHODS).plan()
    compute(plan)
    return plan


@pytest.fixture(scope="module")
def in_letters(tmp_path_factory):
    methods = [{"method": "zero_shot", "scoring": scoring} for scoring in ("letters", "letters_once", "exact")]
    plan = made(tmp_path_factory.mktemp("letters"), IN_LETTERS, methods, OPTIONS[::2]).plan()
    compute(plan)
    return plan


def log_p(plan, prompt, option):
    """The log-probability of an option after a prompt, from transformers' own logits in float64, and its tokens."""
    model = plan.pairs[0].model
    with tokenizing(model, plan.home) as tokenizer:
        before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        both = tokenizer(f"{prompt} {option}", add_special_tokens=False)["input_ids"]
        before, both = ([tokenizer.bos_token_id, *ids] if model.prepend_bos else ids for ids in (before, both))
    network = loaded(model, plan.home, "float32", "cpu").network
    with torch.inference_mode():
        log_p = network.double()(torch.tensor([both])).logits[0].log_softmax(-1)
    network.float()
    of_option = range(len(before), len(both))
    return sum(float(log_p[at - 1, both[at]]) for at in of_option), len(of_option)


def rows_of(plan, split="test"):
    rows = prompt_rows(plan.home, plan.pairs[0].word_scores[split].spec)
    return [dict(fields) for fields in rows["fields"].to_pylist()], rows["label"].to_pylist()


def options_of(fields):
    return [fields[name] for name in "ABC" if name in fields]


def probabilities(plan, name, split="test"):
    rows = fit_of(plan, name, 0).predictions.partition(Lake(plan.home)).table().to_pylist()
    return np.array([row["probabilities"] for row in rows if row["split"] == split])


@pytest.fixture(scope="module")
def direct(plan):
    """Of each test row the log-probability of each option, and how many tokens it has."""
    every = []
    for fields in rows_of(plan)[0]:
        prompt = DATASET["template"].format(**fields)
        scores, tokens = zip(*(log_p(plan, prompt, option) for option in options_of(fields)), strict=True)
        every.append((np.array(scores), np.array(tokens)))
    return every


def test_stored_scores_are_those_of_whole_forwards(plan, direct):
    (pair,) = plan.pairs
    for split in SPLITS:
        key = pair.word_scores[split].key
        ids, labels, scores = read_states(plan.home, "tiny-llama", "made", split, key, "word_scores")
        assert scores.shape == (len(ids), 6 * 3)
        assert labels.tolist() == rows_of(plan, split)[1]
    for row, (whole, tokens) in enumerate(direct):
        np.testing.assert_allclose(scores[row, : len(whole)], whole, rtol=1e-4)  # float32
        np.testing.assert_allclose(scores[row, 3 : 3 + len(whole)], whole / tokens, rtol=1e-4)
        assert (scores[row, len(whole) : 3] == MISSING).all()


@pytest.mark.parametrize("scoring", ["exact", "exact_mean", "exact_characters"])
def test_probabilities_are_those_among_the_options_of_the_row(plan, direct, scoring):
    given = probabilities(plan, f"zero_shot+{scoring.replace('_', '-')}")
    for row, (fields, (whole, tokens)) in enumerate(zip(rows_of(plan)[0], direct, strict=True)):
        length = {"exact": 1, "exact_mean": tokens, "exact_characters": [len(o) for o in options_of(fields)]}[scoring]
        np.testing.assert_allclose(given[row, : len(whole)], softmax(whole / length), atol=1e-4)
        assert (given[row, len(whole) :] == 0).all()


def test_pmi_takes_away_what_an_option_is_worth_after_content_free_prompts(plan, direct):
    given, worth = probabilities(plan, "pmi+exact"), {}
    for option in {option for fields in rows_of(plan)[0] for option in options_of(fields)}:
        prompts = [DATASET["template"].format(text=text) for text in ("N/A", "[MASK]", "")]
        worth[option] = np.mean([log_p(plan, prompt, option)[0] for prompt in prompts])
    for row, (fields, (whole, _)) in enumerate(zip(rows_of(plan)[0], direct, strict=True)):
        expected = softmax(whole - [worth[option] for option in options_of(fields)])
        np.testing.assert_allclose(given[row, : len(whole)], expected, atol=1e-3)  # float32, of differences


def test_letters_are_scored_in_all_cyclic_orders(in_letters):
    letters, once = probabilities(in_letters, "zero_shot+letters"), probabilities(in_letters, "zero_shot+letters-once")
    words = [label["word"] for label in LETTERS]
    for row, fields in list(enumerate(rows_of(in_letters)[0]))[:6]:
        by_order = np.empty((3, 3))  # order, option
        for r in range(3):
            shown = {name: options_of(fields)[(j + r) % 3] for j, name in enumerate("ABC")}
            prompt = IN_LETTERS["choices"]["letters"].format(text=fields["text"], **shown)
            for j, word in enumerate(words):
                by_order[r, (j + r) % 3] = log_p(in_letters, prompt, word)[0]
        np.testing.assert_allclose(letters[row], softmax(by_order.mean(axis=0)), atol=1e-4)
        np.testing.assert_allclose(once[row], softmax(by_order[0]), atol=1e-4)


def test_what_is_scored_has_a_partition_of_its_own_and_exact_scores_do_not_read_the_letters(in_letters):
    (pair,) = in_letters.pairs
    assert sorted(pair.word_scores) == ["test", "test+letters", "validation", "validation+letters"]
    of = {fit.name: set(fit.predictions.inputs.values()) for fit in pair.fits}
    assert of["zero_shot+letters"] == of["zero_shot+letters-once"] != of["zero_shot+exact"]
    assert not pair.states
    assert not pair.reads_label_tokens


def test_accuracy_is_measured_and_macro_f1_is_not(plan):
    for fit in plan.fits:
        rows = fit.metrics.partition(Lake(plan.home)).table().to_pylist()
        figures = {row["metric"]: row for row in rows if (row["split"], row["seed"]) == ("test", None)}
        assert set(figures) == {"accuracy", "nll", "ece", "brier", "fit_seconds"}
        hits = probabilities(plan, fit.name).argmax(axis=1) == rows_of(plan)[1]
        assert figures["accuracy"]["value"] == pytest.approx(hits.mean())
        assert figures["accuracy"]["low"] <= hits.mean() <= figures["accuracy"]["high"]


@pytest.mark.parametrize(
    ("method", "dataset", "why"),
    [
        ({"method": "ridge"}, DATASET, "it serves nominal and ordinal labels, and these are choice"),
        ({"method": "batch_calibration", "scoring": "exact"}, DATASET, "it serves nominal and ordinal labels"),
        ({"method": "zero_shot"}, DATASET, "its options differ by row, so that no label words stand for them"),
        ({"method": "zero_shot", "scoring": "exact", "demonstrations": 2}, DATASET, "demonstrations show label words"),
        ({"method": "zero_shot", "scoring": "letters"}, DATASET, "set choices.letters in its card"),
        (
            {"method": "zero_shot", "scoring": "letters"},
            {},
            "scoring letters is of options, and its labels are nominal",
        ),
        ({"method": "zero_shot", "scoring": "letters"}, IN_LETTERS, None),
        ({"method": "zero_shot", "scoring": "exact_mean"}, {}, None),
        ({"method": "pmi", "scoring": "exact"}, DATASET, None),
    ],
)
def test_methods_that_do_not_serve_options_say_why(tmp_path, method, dataset, why):
    world = made(tmp_path, dataset, METHODS[:1])
    (card,) = world.plan().experiment.dataset_cards()
    reason = unserved_labels(MethodSpec(**method), card)
    assert reason is None if why is None else why in reason


def test_letters_less_content_free_prompts_are_refused(tmp_path):
    with pytest.raises(CardError, match="letters, which no content-free prompt has"):
        made(tmp_path, IN_LETTERS, [{"method": "pmi", "scoring": "letters"}]).plan()


def test_an_option_that_the_context_cannot_hold_is_named(tmp_path):
    plan = made(tmp_path, DATASET, METHODS[:1], [["bad", "plot " * 2000]]).plan()
    with pytest.raises(
        DataError, match=r"row train-\d+ of dataset 'made' has an option of \d+ tokens, .* lower max_tokens"
    ):
        compute(plan, ["examples", "states"])


def test_a_method_that_takes_content_free_scores_away_has_them_computed(tmp_path):
    world = made(tmp_path, DATASET, METHODS[:1])
    (pair,) = world.plan().pairs
    assert pair.word_scores["test"].spec.columns(64) == 9
    (pair,) = world.plan(methods=METHODS).pairs
    assert pair.word_scores["test"].spec.columns(64) == 18


def test_an_empty_text_is_no_content_free_prompt_where_the_template_adds_nothing(tmp_path):
    plan = made(tmp_path, DATASET | {"template": "{text}"}, METHODS[3:]).plan()
    compute(plan, ["examples", "states", "predictions"])
    option = rows_of(plan)[0][0]["A"]
    (pair,) = plan.pairs
    scores = read_states(plan.home, "tiny-llama", "made", "test", pair.word_scores["test"].key, "word_scores")[2]
    expected = np.mean([log_p(plan, prompt, option)[0] for prompt in ("N/A", "[MASK]")])
    assert scores[0, 9] == pytest.approx(expected, abs=1e-3)
