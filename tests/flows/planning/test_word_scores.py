"""Plans of methods that score words: which partitions, for which models, at what cost."""

import numpy as np
import pytest

from flows.planning.cost import CHARACTERS_A_TOKEN, _all_tokens
from flows.planning.experiment import MethodSpec
from flows.planning.method_rules import splits_of, unserved
from tasks.steps.specs import StatesSpec, WordScoresSpec
from tests.tasks.worlds import LABELS, World, model
from vocabsem.cards.loader import load_card

EXACT = {"method": "zero_shot", "scoring": "exact"}
MEAN = {"method": "zero_shot", "scoring": "exact_mean"}
PHRASES = [label | {"word": f"quite {label['word']}"} for label in LABELS]


def pair(tmp_path, *methods, **dataset):
    experiment = {"methods": list(methods), "shots": [0, 4], "champion": False}
    return World(tmp_path, dataset=dataset, experiment=experiment).plan().pairs[0]


def test_scores_are_planned_only_for_methods_that_ask_and_once_for_all_modes(tmp_path):
    plain = pair(tmp_path, "zero_shot", "ridge")
    assert not plain.word_scores
    both = pair(tmp_path, "zero_shot", "ridge", EXACT, MEAN)
    assert list(both.word_scores) == ["validation", "test"]
    assert {name: step.key for name, step in both.states.items()} == {n: s.key for n, s in plain.states.items()}
    keys = {fit.name: fit.predictions.key for fit in both.fits if fit.shots == 0}
    assert keys["zero_shot"] == next(fit.predictions.key for fit in plain.fits if fit.name == "zero_shot")
    assert len(set(keys.values())) == 3
    assert both.extracted == [*both.states.values(), *both.word_scores.values()]


def test_other_splits_are_scored_as_the_method_needs_them(tmp_path):
    scored = pair(tmp_path, {"method": "pmi", "scoring": "exact"}, {"method": "batch_calibration", "scoring": "exact"})
    assert sorted(scored.word_scores) == ["content_free", "test", "train", "validation"]
    assert not scored.states
    spec = MethodSpec.model_validate({"method": "pmi", "scoring": "exact"})
    assert splits_of(spec, ["test"], load_card("datasets", "trec")) == ["content_free", "test"]


def test_demonstrations_give_scores_of_each_seed(tmp_path):
    scored = pair(tmp_path, EXACT | {"demonstrations": 1})
    assert sorted(scored.word_scores) == [
        f"{split}+demos-1@{seed}" for split in ("test", "validation") for seed in (0, 1)
    ]
    assert len({step.key for step in scored.word_scores.values()}) == 4
    assert [fit.name for fit in scored.fits] == ["zero_shot+demos-1+exact"]


@pytest.mark.parametrize(("methods", "reads"), [([EXACT], False), ([EXACT, "tfidf"], False), ([EXACT, "ridge"], True)])
def test_label_tokens_are_needed_only_where_something_reads_them(tmp_path, methods, reads):
    assert pair(tmp_path, *methods, labels=PHRASES).reads_label_tokens is reads


@pytest.mark.parametrize("family", ["masked", "encoder", "encoder_decoder"])
def test_models_that_continue_no_prompt_are_left_out_with_the_reason(family):
    spec, card = MethodSpec.model_validate(EXACT), model()
    assert unserved(spec, card) is None
    other = card.model_copy(update={"family": family})
    assert unserved(spec, other) == f"exact scores continue the prompts of causal models, not of {family} ones"


def test_the_tokens_of_the_words_count_with_each_prompt(tmp_path):
    scored = pair(tmp_path, "zero_shot", EXACT, labels=PHRASES, word_tokens="first")
    words, states = scored.word_scores["test"].spec, scored.states["test"].spec
    assert isinstance(words, WordScoresSpec)
    assert isinstance(states, StatesSpec)
    assert _all_tokens(states, 10, 200) == 200
    letters = sum(len(label["word"]) for label in PHRASES)
    assert _all_tokens(words, 10, 200) == 200 + 10 * int(np.rint(letters / CHARACTERS_A_TOKEN))
    assert (words.columns(32), states.columns(32)) == (3, 32)
