"""The grid on planted layers and axes, and on noise."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from vocabsem.instruments.base import Sampling
from vocabsem.instruments.grid import WHOLE_STATES, cheapest, grid_study, speed_up
from vocabsem.instruments.one_hot_ridge import ridge_predictions

N, M, WIDTH, CLASSES = 90, 60, 24, 3
KNOWN, TRUE = np.arange(N) % CLASSES, np.arange(M) % CLASSES
SAMPLING = Sampling(resamples=60, null_draws=40, seed=0)
AXES = (2, 4, 8, 16)


def states(seed=0, planted=True):
    """Layer 0 of one state, layer 1 of noise; in layers 2 and 3 classes lie apart in the plane of most variance."""
    generator = np.random.default_rng(seed)
    turn = np.linalg.qr(generator.standard_normal((WIDTH, WIDTH)))[0]
    classes = 3 * np.stack([np.cos(np.arange(3) * 2.1), np.sin(np.arange(3) * 2.1)], axis=1) @ turn[:2]

    def of(labels):
        noise = generator.standard_normal((4, len(labels), WIDTH))
        planes = {layer: noise[layer] * 0.5 + (classes[labels] if planted else 0) for layer in (2, 3)}
        return {0: np.full((len(labels), WIDTH), 0.1), 1: noise[1], **planes}

    return of(KNOWN), of(TRUE)


def study(train, test, sampling=SAMPLING):
    result = grid_study("made", train, test, (KNOWN, TRUE), axes=AXES, sampling=sampling)
    return {(value.metric, value.layer, value.variant): value for value in result.values}, result


@pytest.fixture(scope="module")
def planted():
    return study(*states())


def test_two_axes_of_a_planted_layer_are_enough_and_two_others_are_not(planted):
    values, _ = planted
    own = values["pca_f1", 2, "2 axes"]
    assert own.value == 1
    assert own.interval[0] > own.null[1]
    assert values["pca_f1", 2, "24 axes"].value == 1
    for basis in ("raw", "random"):
        assert values[f"{basis}_f1", 2, "2 axes"].value < 0.95
    assert values["pca_f1", 1, "2 axes"].value <= values["pca_f1", 1, "2 axes"].null[1] + 0.1
    assert own.n == M


def test_the_cheapest_cell_and_what_it_saves(planted):
    values, result = planted
    for rule in ("fewest axes", "first layer"):
        variant = f"pca, {rule}: 2"
        assert values["cheapest_f1", 2, variant].value == 1
        assert values["layers_saved", 2, variant].value == pytest.approx(1 / 3)
        saved = values["bytes_saved", 2, variant]
        assert saved.value == pytest.approx(1 - 2 / WIDTH)
        assert saved.interval == pytest.approx((saved.value, saved.value))
        assert saved.n == N
    assert {item.item for item in result.items} == {f"made cells: {basis}" for basis in ("pca", "raw", "random")}
    best = next(item for item in result.items if item.item == "made cells: pca")
    assert (best.rank, best.score) == (1, 1)


def test_all_axes_are_the_same_for_every_kind_and_states_that_are_one_have_no_figure(planted):
    values, _ = planted
    for layer in (1, 2, 3):
        assert len({values[f"{basis}_f1", layer, "24 axes"].value for basis in ("pca", "raw", "random")}) == 1
    assert 0 not in {layer for _, layer, _ in values}


def test_a_cell_is_the_f1_of_its_own_regression(planted):
    train, test = states()
    center = train[3].mean(axis=0)
    axes = np.linalg.eigh(np.cov(train[3].T))[1][:, ::-1][:, :4]
    predicted = ridge_predictions((train[3] - center) @ axes, (test[3] - center) @ axes, KNOWN[None]).test[0]
    expected = f1_score(TRUE, predicted, average="macro")
    assert planted[0]["pca_f1", 3, "4 axes"].value == pytest.approx(expected)
    raw = ridge_predictions((train[3] - center)[:, :4], (test[3] - center)[:, :4], KNOWN[None]).test[0]
    assert planted[0]["raw_f1", 3, "4 axes"].value == pytest.approx(f1_score(TRUE, raw, average="macro"))


def test_on_noise_figures_lie_in_their_null_as_often_as_it_says():
    inside = []
    for seed in range(6):
        values, _ = study(*states(seed + 10, planted=False), Sampling(2, 40, seed))
        inside += [v.null[0] <= v.value <= v.null[1] for v in values.values() if v.metric.endswith("_f1")]
    assert np.mean(inside) > 0.85  # 95 %, of figures that hang together


def test_the_cheapest_is_within_a_hundredth_of_the_best():
    scores = {(1, 8): 0.785, (1, 64): 0.795, (2, 8): 0.795, (2, 32): 0.8, (3, 8): 0.795}
    assert cheapest(scores, "fewest axes") == (2, 8)
    assert cheapest(scores, "first layer") == (1, 64)
    assert cheapest(scores, "fewest axes", tolerance=0.02) == (1, 8)
    assert cheapest(scores, "fewest axes", tolerance=0.001) == (2, 32)


def test_the_first_layer_with_all_axes_is_chosen_by_training_texts_alone(planted):
    train, test = states()
    turned = {layer: np.roll(rows, 1, axis=0) for layer, rows in test.items()}  # test labels that are no longer theirs
    for values, f1 in ((planted[0], 1), (study(train, turned)[0], None)):
        (at,) = (at for at in values if at[0] == "layers_saved" and at[2].startswith(WHOLE_STATES))
        assert at[1:] == (2, f"{WHOLE_STATES}: {WIDTH}")
        assert values[at].value == pytest.approx(1 / 3)
        assert values["cheapest_f1", *at[1:]].value == values["pca_f1", 2, f"{WIDTH} axes"].value
        assert f1 is None or values["cheapest_f1", *at[1:]].value == f1
    assert values["cheapest_f1", *at[1:]].value < 0.7


def test_the_speed_is_the_median_ratio_of_a_round_and_its_null_that_of_two_whole_runs():
    generator = np.random.default_rng(0)
    load = generator.uniform(1, 4, (9, 1))  # of a machine that others use: the same within a round
    whole = load * generator.uniform(0.95, 1.05, (9, 2))
    seconds = {5: load[:, 0] * 0.25, 30: load[:, 0] * generator.uniform(0.95, 1.05, 9)}
    fast, same = speed_up("made", seconds, whole, SAMPLING)
    assert (fast.unit, fast.layer, fast.metric, fast.n) == ("made", 5, "speed_up", 9)
    assert fast.value == np.median(whole.mean(axis=1) / seconds[5])
    assert fast.interval[0] > fast.null[1]
    assert same.null[0] <= same.value <= same.null[1]
    assert same.null == fast.null
    assert abs(np.log(fast.null)).max() < 0.1


def test_a_machine_that_slows_down_between_two_whole_runs_widens_the_null():
    generator = np.random.default_rng(1)
    whole = generator.uniform(1, 3, (9, 2))
    (value,) = speed_up("made", {5: whole[:, 0] * 0.8}, whole, SAMPLING)
    assert value.null[1] - value.null[0] > 0.3
