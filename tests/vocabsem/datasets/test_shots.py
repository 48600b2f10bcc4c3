import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabsem.datasets.shots import add_label_noise, choose_shots, shots_text
from vocabsem.errors import DataError

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def labeled(draw: st.DrawFn) -> tuple[np.ndarray, int, int]:
    """(labels, classes, rows of the rarest class)"""
    counts = draw(st.lists(st.integers(1, 12), min_size=2, max_size=6))
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(draw(SEEDS)).permutation(labels), len(counts), min(counts)


@given(labeled(), SEEDS, st.data())
def test_as_many_of_each_class_and_none_twice(case, seed, data):
    labels, classes, rarest = case
    shots = data.draw(st.integers(0, rarest))
    chosen = choose_shots(labels, shots, seed, classes)
    assert np.bincount(labels[chosen], minlength=classes).tolist() == [shots] * classes
    assert len(set(chosen.tolist())) == len(chosen)


@given(labeled(), SEEDS, st.data())
def test_fewer_shots_are_the_beginning_of_more(case, seed, data):
    labels, classes, rarest = case
    few = data.draw(st.integers(0, rarest))
    more = choose_shots(labels, rarest, seed, classes)
    np.testing.assert_array_equal(choose_shots(labels, few, seed, classes), more[: few * classes])


def test_seeds_choose_differently_and_a_seed_always_the_same():
    labels = np.arange(1000) % 2
    first, again, other = (choose_shots(labels, 8, seed, 2) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first.tolist()) != set(other.tolist())


def test_every_row_has_the_same_chance():
    labels = np.arange(20) % 2
    times = np.zeros(20)
    for seed in range(2000):
        times[choose_shots(labels, 3, seed, 2)] += 1
    # 3 of 10 rows per class: a share of .3, within five standard errors of 2,000 draws.
    np.testing.assert_allclose(times / 2000, 0.3, atol=5 * np.sqrt(0.3 * 0.7 / 2000))


def test_all_is_every_row_in_order():
    labels = np.array([1, 0, 1, 1])
    np.testing.assert_array_equal(choose_shots(labels, "all", 3, 2), [0, 1, 2, 3])


def test_more_shots_than_rows_names_the_class_and_the_count():
    with pytest.raises(DataError, match="16 shots of class 1, which has 3 training rows: choose at most 3"):
        choose_shots(np.array([0] * 20 + [1] * 3), 16, 0, 2)


def test_a_class_without_rows_cannot_give_a_shot():
    with pytest.raises(DataError, match="class 2, which has 0 training rows"):
        choose_shots(np.array([0, 1, 0, 1]), 1, 0, 3)


@pytest.mark.parametrize("shots", [4, "all"])
def test_one_class_cannot_be_learned_from(shots):
    with pytest.raises(DataError, match="only class 1: give rows of at least two classes"):
        choose_shots(np.ones(9, dtype=np.int64), shots, 0, 2)


def test_impossible_requests():
    with pytest.raises(DataError, match="no rows"):
        choose_shots(np.zeros(0, dtype=np.int64), "all", 0, 2)
    with pytest.raises(DataError, match="shots is -1"):
        choose_shots(np.array([0, 1]), -1, 0, 2)
    with pytest.raises(DataError, match="run from 0 to 7: expected 0 to 1"):
        choose_shots(np.array([0, 7]), 1, 0, 2)


@given(labeled(), SEEDS, st.integers(1, 14))
def test_insufficient_classes_may_use_all_they_have(case, seed, shots):
    labels, classes, _ = case
    chosen = choose_shots(labels, shots, seed, classes, on_insufficient="use_all")
    counts = np.bincount(labels, minlength=classes)
    assert np.bincount(labels[chosen], minlength=classes).tolist() == np.minimum(counts, shots).tolist()
    assert len(set(chosen.tolist())) == len(chosen)
    more = choose_shots(labels, shots + 1, seed, classes, on_insufficient="use_all")
    np.testing.assert_array_equal(chosen, more[: len(chosen)])


SHARES = st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.4])


@given(labeled(), SEEDS, SHARES)
def test_noise_replaces_its_exact_share_by_other_classes(case, seed, share):
    labels, classes, _ = case
    noisy = add_label_noise(labels, share, seed, classes)
    assert (noisy != labels).sum() == round(share * len(labels))
    assert noisy.min() >= 0
    assert noisy.max() < classes
    np.testing.assert_array_equal(add_label_noise(labels, share, seed, classes), noisy)


@given(labeled(), SEEDS)
def test_more_noise_contains_less(case, seed):
    labels, classes, _ = case
    little, much = (add_label_noise(labels, share, seed, classes) for share in (0.1, 0.4))
    np.testing.assert_array_equal(much[little != labels], little[little != labels])


def test_noise_picks_rows_and_wrong_classes_evenly():
    labels = np.arange(400) % 4
    sampled = np.stack([add_label_noise(labels, 0.2, seed, 4) for seed in range(500)])
    replaced = sampled != labels
    # a row: a share of .2, within five standard errors of 500 draws
    np.testing.assert_allclose(replaced.mean(axis=0), 0.2, atol=5 * np.sqrt(0.2 * 0.8 / 500))
    steps = ((sampled - labels) % 4)[replaced]  # 40,000 of them, over the three other classes
    np.testing.assert_allclose(np.bincount(steps, minlength=4) / len(steps), [0, 1 / 3, 1 / 3, 1 / 3], atol=0.012)


def test_no_noise_is_no_change_and_leaves_its_input_alone():
    labels = np.arange(10) % 2
    kept = labels.copy()
    np.testing.assert_array_equal(add_label_noise(labels, 0, 3, 2), kept)
    add_label_noise(labels, 0.4, 3, 2)
    np.testing.assert_array_equal(labels, kept)


@pytest.mark.parametrize(("shots", "text"), [(0, "0 shots"), (1, "1 shot"), ("1", "1 shot"), ("16", "16 shots")])
def test_one_shot_is_singular(shots, text):
    assert shots_text(shots) == text


def test_a_class_without_rows_lacks_one_shot():
    with pytest.raises(DataError, match=r"^1 shot of class 2, which has 0 training rows"):
        choose_shots(np.array([0, 1]), 1, seed=0, classes=3)
