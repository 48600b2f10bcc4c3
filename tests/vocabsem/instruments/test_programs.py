"""Generated programs against what Python makes of them, and the study of their meaning on planted values and noise."""

import numpy as np
import pytest

from vocabsem.instruments.base import Sampling, Space
from vocabsem.instruments.meaning_of_programs import meaning_of_programs_study
from vocabsem.instruments.programs import make_programs, number_of_programs

N, TRAINED, WIDTH = 260, 180, 12
SAMPLING = Sampling(resamples=100, null_draws=40, seed=0)
PROGRAMS = make_programs(N, 2, np.random.default_rng(0))


def run(lines, swap=False):
    """Value of x after each line."""
    names, values = {}, []
    for line in lines:
        exec(line.translate(str.maketrans("+-", "-+")) if swap else line, names)
        values.append(names["x"])
    return values


def test_values_are_those_that_python_gives():
    for lines, true, swapped in zip(PROGRAMS.lines, PROGRAMS.true, PROGRAMS.swapped, strict=True):
        assert len(lines) == 3
        assert run(lines) == true.tolist()
        assert run(lines, swap=True) == swapped.tolist()


def test_programs_are_distinct_and_all_there_are():
    assert len(set(PROGRAMS.lines)) == N
    every = make_programs(number_of_programs(1), 1, np.random.default_rng(1))
    assert len(set(every.lines)) == number_of_programs(1) == 40
    assert {lines[0] for lines in every.lines} == {f"x = {digit}" for digit in range(5)}


def test_either_meaning_has_each_value_as_often_and_one_operation_never_gives_both_the_same():
    every = make_programs(number_of_programs(2), 2, np.random.default_rng(2))
    for values in (every.true, every.swapped):
        counts = [np.bincount(column) for column in values.T]
        assert all(len(set(of)) == 1 for of in counts)
    assert (every.true[:, 1] != every.swapped[:, 1]).all()


def values_in(target, seed):
    """Vectors in which a value has a direction."""
    generator = np.random.default_rng(seed)
    return generator.standard_normal((5, WIDTH))[target] + 0.3 * generator.standard_normal((len(target), WIDTH))


@pytest.fixture(scope="module")
def studied():
    true, swapped = PROGRAMS.true[:, 2], PROGRAMS.swapped[:, 2]
    spaces = [
        Space("state", 1, values_in(true, 1)),
        Space("state", 2, values_in(swapped, 2)),
        Space("state", 3, values_in(true, 1) + values_in(swapped, 2)),
        Space("state", 0, np.full((N, WIDTH), 0.1)),
        Space("untrained", 1, np.random.default_rng(3).standard_normal((N, WIDTH))),
    ]
    names = ["; ".join(lines) for lines in PROGRAMS.lines]
    result = meaning_of_programs_study("made", spaces, true, swapped, names, TRAINED, SAMPLING)
    return {(value.variant, value.layer, value.metric): value for value in result.values}, result.items


def test_a_planted_meaning_is_found_and_which_one(studied):
    values, _ = studied
    own, other = values["state", 1, "difference"], values["state", 2, "difference"]
    assert own.interval[0] > own.null[1]
    assert other.interval[1] < other.null[0]
    assert values["state", 1, "true_accuracy"].value > 0.9
    assert values["state", 2, "swapped_accuracy"].value > 0.9
    assert ("state", 0, "difference") not in values, "vectors that are all one"
    assert {value.unit for value in values.values()} == {"made"}
    assert {value.n for value in values.values()} == {N - TRAINED}


def test_where_both_are_planted_neither_is_preferred(studied):
    values, _ = studied
    difference = values["state", 3, "difference"]
    assert values["state", 3, "true_accuracy"].value > 0.8
    assert difference.null[0] <= difference.value <= difference.null[1]


def test_in_noise_nothing_is_found(studied):
    values, _ = studied
    for metric in ("true_accuracy", "swapped_accuracy", "difference"):
        value = values["untrained", 1, metric]
        width = value.null[1] - value.null[0]
        assert value.null[0] - width < value.value < value.null[1] + width, value
    assert np.mean(values["untrained", 1, "true_accuracy"].null) == pytest.approx(0.2, abs=0.05)


def test_a_difference_is_that_of_the_accuracies(studied):
    values, _ = studied
    for variant, layer in {key[:2] for key in values}:
        true, swapped, difference = (
            values[variant, layer, metric].value for metric in ("true_accuracy", "swapped_accuracy", "difference")
        )
        assert difference == pytest.approx(true - swapped)


def test_the_items_are_the_programs_by_how_often_they_are_read(studied):
    _, items = studied
    assert [item.rank for item in items] == list(range(1, N - TRAINED + 1))
    scores = [item.score for item in items]
    assert scores == sorted(scores, reverse=True)
    assert max(scores) <= 3
    assert {item.text for item in items} == {"; ".join(lines) for lines in PROGRAMS.lines[TRAINED:]}


LAST = np.unique([lines[-1] for lines in PROGRAMS.lines], return_inverse=True)[1]


def with_control(vectors, sampling=SAMPLING):
    true, swapped = PROGRAMS.true[:, 2], PROGRAMS.swapped[:, 2]
    names = ["; ".join(lines) for lines in PROGRAMS.lines]
    spaces = [Space("state", 1, vectors)]
    result = meaning_of_programs_study("made", spaces, true, swapped, names, TRAINED, sampling, last=LAST)
    return {value.metric: value for value in result.values}


def test_a_state_of_the_last_line_alone_knows_the_control_task_and_not_the_value():
    values = with_control(np.eye(LAST.max() + 1)[LAST])
    assert values["control_accuracy"].value == 1
    assert values["selectivity"].interval[1] < values["selectivity"].null[0]
    assert values["selectivity"].value == pytest.approx(values["true_accuracy"].value - 1)


def test_a_state_of_the_value_is_selective():
    values = with_control(values_in(PROGRAMS.true[:, 2], 1))
    assert values["true_accuracy"].value > 0.9
    assert values["selectivity"].interval[0] > values["selectivity"].null[1]
    assert values["selectivity"].n == N - TRAINED


def test_the_control_task_has_one_value_for_a_last_line_and_another_seed_has_others():
    """The values that a state of the last line is read as, by the probe of the control task."""
    tasks = {
        seed: Sampling(100, 40, seed).generator(2).integers(5, size=LAST.max() + 1)[LAST].tolist() for seed in (0, 1)
    }
    assert tasks[0] != tasks[1]
    for values in tasks.values():
        assert len(set(zip(LAST.tolist(), values, strict=True))) == LAST.max() + 1
    assert with_control(np.eye(LAST.max() + 1)[LAST], Sampling(100, 40, 1))["control_accuracy"].value == 1


def test_noise_is_not_selective_and_without_a_control_task_there_is_none(studied):
    value = with_control(np.random.default_rng(5).standard_normal((N, WIDTH)))["selectivity"]
    width = value.null[1] - value.null[0]
    assert value.null[0] - width < value.value < value.null[1] + width
    assert "selectivity" not in {metric for _, _, metric in studied[0]}
