"""What holds of all programs, and of the study whichever meaning is called the true one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabsem.instruments.base import Sampling, Space
from vocabsem.instruments.meaning_of_programs import meaning_of_programs_study
from vocabsem.instruments.programs import make_programs, number_of_programs

N, TRAINED = 90, 60
SAMPLING = Sampling(resamples=50, null_draws=20, seed=4)


@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 2**20))
def test_each_line_moves_the_value_by_what_it_names(operations, n, seed):
    programs = make_programs(n, operations, np.random.default_rng(seed))
    assert programs.true.shape == programs.swapped.shape == (n, 1 + operations)
    assert len(set(programs.lines)) == n
    for lines, true, swapped in zip(programs.lines, programs.true, programs.swapped, strict=True):
        assert int(lines[0].removeprefix("x = ")) == true[0] == swapped[0]
        for line, before, after in zip(lines[1:], range(operations), range(1, 1 + operations), strict=True):
            _, _, _, sign, size, *_ = line.replace(")", " ").split()
            step = int(size) if sign == "+" else -int(size)
            assert (true[before] + step) % 5 == true[after]
            assert (swapped[before] - step) % 5 == swapped[after]


@given(st.integers(1, 12))
def test_there_are_as_many_programs_as_starts_and_operations_allow(operations):
    assert number_of_programs(operations) == 5 * 8**operations
    programs = make_programs(3, operations, np.random.default_rng(operations))
    again = make_programs(3, operations, np.random.default_rng(operations))
    assert programs.lines == again.lines
    assert all(len(lines) == 1 + operations for lines in programs.lines)


@pytest.fixture(scope="module")
def planted():
    """Programs, and vectors that have the value at layer 1 and nothing at layer 2."""
    programs = make_programs(N, 2, np.random.default_rng(5))
    generator = np.random.default_rng(6)
    rows = generator.standard_normal((5, 10))[programs.true[:, 2]] + 0.5 * generator.standard_normal((N, 10))
    spaces = [Space("state", 1, rows), Space("state", 2, generator.standard_normal((N, 10)))]
    return programs, spaces


def study(programs, spaces, true, swapped):
    names = ["; ".join(lines) for lines in programs.lines]
    result = meaning_of_programs_study("made", spaces, true, swapped, names, TRAINED, SAMPLING)
    return {(value.layer, value.metric): value for value in result.values}


def test_with_the_meanings_exchanged_the_difference_has_the_other_sign(planted):
    programs, spaces = planted
    values = programs.true[:, 2], programs.swapped[:, 2]
    one, other = study(programs, spaces, *values), study(programs, spaces, *values[::-1])
    for layer in (1, 2):
        assert one[layer, "difference"].value == pytest.approx(-other[layer, "difference"].value)
        assert one[layer, "difference"].null == pytest.approx(
            tuple(-end for end in other[layer, "difference"].null[::-1])
        )
        assert one[layer, "true_accuracy"].value == other[layer, "swapped_accuracy"].value


def test_other_names_of_the_values_change_nothing(planted):
    programs, spaces = planted
    names = np.array([3, 0, 4, 1, 2])
    true, swapped = programs.true[:, 2], programs.swapped[:, 2]
    one, other = study(programs, spaces, true, swapped), study(programs, spaces, names[true], names[swapped])
    assert one[1, "true_accuracy"].value == pytest.approx(other[1, "true_accuracy"].value)
    assert one[1, "difference"].interval == pytest.approx(other[1, "difference"].interval)


def test_lengths_of_axes_change_nothing(planted):
    programs, spaces = planted
    longer = [Space(space.variant, space.layer, space.vectors * np.geomspace(1e-3, 1e3, 10) + 7) for space in spaces]
    values = programs.true[:, 2], programs.swapped[:, 2]
    one, other = study(programs, spaces, *values), study(programs, longer, *values)
    assert {key: value.value for key, value in one.items()} == pytest.approx(
        {key: value.value for key, value in other.items()}
    )
