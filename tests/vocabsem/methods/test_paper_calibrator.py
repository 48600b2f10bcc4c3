"""The paper's ablation grid: each loss against an ordinary loop of torch, each inference against its formula."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch.nn.functional import cosine_similarity, cross_entropy

from tests.vocabsem.method_data import TOKENS, D, make_space, make_states, make_whole_space
from vocabsem.errors import DataError
from vocabsem.label_space import Vocabulary, target_vectors
from vocabsem.methods import LabelSpace, PaperCalibrator, ZeroShot
from vocabsem.methods.paper_calibrator import PaperModule
from vocabsem.methods.persistence import from_arrays, to_arrays

TRAINED = PaperCalibrator.choices["trained_on"]


def cosines(moved, rows):
    return cosine_similarity(moved[:, None], torch.from_numpy(rows)[None], dim=2)


def by_labels(space, moved, y):
    return cross_entropy(cosines(moved, space.anchors), y)


def by_vocabulary(space, moved, y):
    """Over the tokens as the vocabulary lists them; each label's class is the place of its token."""
    tokens = torch.tensor([ids[0] for ids in space.vocabulary.label_ids])
    return cross_entropy(cosines(moved, space.vocabulary.anchors), tokens[y])


def by_truth(space, moved, y):
    return (1 - cosine_similarity(moved, torch.from_numpy(space.anchors)[y], dim=1)).mean()


def by_matmul(space, moved, y):
    logits = space.scale * (moved @ torch.from_numpy(space.head).T + torch.from_numpy(space.bias))
    return cross_entropy(logits if space.softcap is None else space.softcap * torch.tanh(logits / space.softcap), y)


LOSSES = {"labels": by_labels, "vocabulary": by_vocabulary, "truth": by_truth, "matmul": by_matmul}


@pytest.mark.parametrize("softcap", [None, 5.0])
@pytest.mark.parametrize("trained_on", TRAINED)
def test_each_loss_equals_torch_by_hand(trained_on, softcap):
    space, (states, labels) = make_whole_space(scale=0.5, softcap=softcap), make_states(n=50)
    result = PaperCalibrator(space, trained_on=trained_on, epochs=2, batch_size=16, random_state=4).fit(states, labels)
    generator = torch.Generator().manual_seed(4)
    module = PaperModule(D)
    module.initialize(generator)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(2):
        for rows in torch.randperm(50, generator=generator).split(16):
            optimizer.zero_grad()
            LOSSES[trained_on](space, module(torch.from_numpy(states)[rows]), torch.from_numpy(labels)[rows]).backward()
            optimizer.step()
    for name, tensor in module.state_dict().items():
        # Adam divides by √v: gradients that are rounding may move a weight by a step of 1e-3, hence the mean
        assert np.abs(result.state_dict_[name] - tensor.numpy()).mean() < 1e-5, name


def test_the_four_losses_differ():
    space, (states, labels) = make_whole_space(), make_states()
    fits = [PaperCalibrator(space, trained_on=t, epochs=3).fit(states, labels).transform(states) for t in TRAINED]
    for first in range(4):
        assert all(np.abs(fits[first] - fits[second]).max() > 1e-4 for second in range(first))


@pytest.mark.parametrize("trained_on", TRAINED)
@pytest.mark.parametrize("softcap", [None, 5.0])
def test_inferred_by_matmul_is_the_model_s_answer_to_the_moved_state(trained_on, softcap):
    space, (states, labels) = make_whole_space(scale=0.5, softcap=softcap), make_states()
    both = [
        PaperCalibrator(space, trained_on=trained_on, inferred_by=by, epochs=3).fit(states, labels)
        for by in ("similarity", "matmul")
    ]
    moved = both[0].transform(states)
    assert np.array_equal(moved, both[1].transform(states))
    assert np.allclose(both[1].predict_proba(states), ZeroShot(space).fit(moved).predict_proba(moved))
    expected = softmax(cosines(torch.from_numpy(moved), space.anchors).double().numpy(), axis=1)
    assert np.allclose(both[0].predict_proba(states), expected, atol=1e-6)


@pytest.mark.parametrize("trained_on", TRAINED)
def test_training_finds_the_labels(trained_on):
    space, (states, labels) = make_whole_space(scale=0.5), make_states(n=240, distance=8)
    by = "matmul" if trained_on == "matmul" else "similarity"
    result = PaperCalibrator(space, trained_on=trained_on, inferred_by=by, epochs=60, batch_size=32)
    assert result.fit(states[:120], labels[:120]).score(states[120:], labels[120:]) > 0.8


@pytest.mark.parametrize("trained_on", TRAINED)
def test_only_the_whole_vocabulary_is_requested(trained_on):
    estimator = PaperCalibrator(make_space(), trained_on=trained_on, epochs=1)
    assert estimator.needs_vocabulary is (trained_on == "vocabulary")
    if estimator.needs_vocabulary:
        with pytest.raises(DataError, match="paper_calibrator compares with every token"):
            estimator.fit(*make_states())
    else:
        estimator.fit(*make_states())


def test_a_parameter_set_later_is_heeded_as_one_given_at_first():
    estimator = PaperCalibrator(make_space(), epochs=1).set_params(trained_on="vocabulary")
    with pytest.raises(DataError, match="paper_calibrator compares with every token"):
        estimator.fit(*make_states())
    estimator.set_params(space=make_whole_space()).fit(*make_states())
    given = PaperCalibrator(make_whole_space(), trained_on="vocabulary", epochs=1).fit(*make_states())
    for name, weights in given.state_dict_.items():
        np.testing.assert_array_equal(estimator.state_dict_[name], weights)


def test_stored_without_the_vocabulary():
    space, (states, labels) = make_whole_space(), make_states()
    result = PaperCalibrator(space, trained_on="vocabulary", targets="random", epochs=2).fit(states, labels)
    again = from_arrays(*to_arrays(result))
    assert again.space.vocabulary is None
    assert again.predict_proba(states).tobytes() == result.predict_proba(states).tobytes()


@pytest.mark.parametrize("kind", ["anchors", "head", "random"])
def test_controls_replace_every_token(kind):
    """The label words come first, with the targets that a prediction compares with, whatever the others are."""
    space = make_whole_space()
    rows = target_vectors(space.with_other_tokens(), kind, random_state=3)
    assert rows.shape == (TOKENS, D)
    assert np.allclose(rows[:3], target_vectors(space, kind, random_state=3), rtol=1e-6)
    if kind == "random":
        assert not np.isin(rows, space.vocabulary.anchors).any()
        assert np.allclose(np.linalg.norm(rows[3:], axis=1), np.linalg.norm(space.vocabulary.anchors[:-3], axis=1))
    else:
        assert np.array_equal(rows[3:], getattr(space.vocabulary, kind)[:-3])


def test_all_tokens_of_a_word_leave_the_others():
    """A word of several tokens is one class, its own row; none of its tokens is a rival of it."""
    whole = make_whole_space().vocabulary
    ids = [[0, 7], [3], [11, 5, 2]]
    mean = lambda rows: np.stack([rows[i].mean(axis=0) for i in ids])  # noqa: E731
    space = LabelSpace(
        mean(whole.anchors),
        mean(whole.head),
        mean(whole.bias),
        scale=0.5,
        vocabulary=Vocabulary(whole.head, whole.bias, whole.anchors, ids),
    )
    every = space.with_other_tokens()
    kept = [token for token in range(TOKENS) if token not in {0, 7, 3, 11, 5, 2}]
    assert np.array_equal(every.head, np.concatenate([space.head, whole.head[kept]]))
    assert np.array_equal(every.bias, np.concatenate([space.bias, whole.bias[kept]]))
    assert every.scale == 0.5
