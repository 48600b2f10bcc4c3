"""Libraries are quiet during a block only, and not where the user wants to see what they log."""

import logging
from contextlib import suppress

import pytest

from vocabsem.runtime.third_party import VERBOSE, muted

NAMES = ("a.library", "another.library")


def levels():
    return [logging.getLogger(name).level for name in NAMES]


@pytest.fixture
def before(monkeypatch):
    for name, level in zip(NAMES, (logging.INFO, logging.NOTSET), strict=True):
        monkeypatch.setattr(logging.getLogger(name), "level", level)
    return levels()


def test_levels_are_as_before_after_the_block_also_after_an_error(before):
    with suppress(ValueError), muted(*NAMES):
        assert levels() == [logging.WARNING, logging.WARNING]
        raise ValueError
    assert levels() == before


def test_the_user_who_asks_sees_what_they_log(before, monkeypatch):
    monkeypatch.setenv(VERBOSE, "1")
    with muted(*NAMES):
        assert levels() == before
