"""Nearest tokens of states over a whole vocabulary against the matrix product that no search can do without."""

from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks import Row, Setting, best_of
from vocabsem.vocabulary.similarity import ROWS, nearest_tokens

STATES, TOKENS, WIDTH = 8192, 49152, 576


def measure(setting: Setting) -> Iterator[Row]:
    states, anchors = torch.randn(STATES, WIDTH), torch.randn(TOKENS, WIDTH)

    def product() -> None:
        for start in range(0, STATES, ROWS):
            for first in range(0, TOKENS, 8192):
                states[start : start + ROWS] @ anchors[first : first + 8192].mT

    name = f"nearest 10 of {TOKENS:,} tokens to {STATES:,} states"
    ours, theirs = best_of(2, lambda: nearest_tokens(states, anchors), product)
    yield Row(name, ours, "the product alone, as many at a time", theirs, "s", "≤ 1.5")
    with get_context("spawn").Pool(1) as pool:
        yield Row(f"{name}: memory beside both", pool.apply(_memory), "1 GB", 1000, "MB", "≤ 1")


def _memory() -> float:
    """MB by which this process's peak grows."""
    states, anchors = torch.randn(STATES, WIDTH), torch.randn(TOKENS, WIDTH)
    before = _peak()
    nearest_tokens(states, anchors)
    return _peak() - before


def _peak() -> float:
    """MB; the kernel's own figure of this program, as getrusage's is inherited from the one that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
