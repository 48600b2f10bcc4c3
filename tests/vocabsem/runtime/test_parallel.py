"""Parallel maps: results in order, errors that end the block, and no thread setting left behind."""

import threading
import time

import pytest
import torch

from vocabsem.runtime.parallel import parallel_map, prefetch

CPU = torch.device("cpu")


def test_calls_run_side_by_side_and_come_in_order():
    together = threading.Barrier(2, timeout=30)

    def call(number):
        together.wait()  # nobody passes alone
        return number, torch.ones(4).sum().item()

    if torch.get_num_threads() < 2:
        pytest.skip("one core: calls follow each other")
    with parallel_map(CPU) as each:
        assert list(each(call, range(8))) == [(number, 4.0) for number in range(8)]


@pytest.mark.parametrize("items", [[], [0], [0, 1, 2, 3]])
def test_one_ahead_is_map_whose_next_call_comes_first(items):
    called = []
    seen = [(result, list(called)) for result in prefetch(lambda item: called.append(item) or -item, items)]
    assert [result for result, _ in seen] == [-item for item in items]
    assert [before for _, before in seen] == [items[: index + 2] for index in range(len(items))]


def test_torchs_threads_are_as_before():
    before = torch.get_num_threads()
    with parallel_map(CPU) as each:
        list(each(lambda number: torch.ones(1000, 1000).sum(), range(4)))
    assert torch.get_num_threads() == before
    result = []
    thread = threading.Thread(target=lambda: result.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert result == [before]


def test_an_error_ends_the_block_and_what_waits_is_not_begun():
    begun = []

    def call(number):
        begun.append(number)
        if number == 0:
            raise ValueError("first")
        time.sleep(0.02)

    with pytest.raises(ValueError, match="first"), parallel_map(CPU) as each:
        list(each(call, range(200)))
    assert len(begun) < 200
