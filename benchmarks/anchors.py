"""Anchors of the default model's head against torch's pseudoinverse."""

from collections.abc import Iterator

import torch

from benchmarks import MODEL, Row, Setting, best_of
from vocabsem.anchors import semantic_anchors
from vocabsem.cards import load_card
from vocabsem.language_model import load_model


def measure(setting: Setting) -> Iterator[Row]:
    head = load_model(load_card("models", MODEL), setting.home.cache, dtype="checkpoint").head.weight
    ours, theirs = best_of(6, lambda: semantic_anchors(head), lambda: torch.linalg.pinv(head))
    yield Row(f"anchors, {' × '.join(map(str, head.shape))}", ours, "torch.linalg.pinv", theirs, "s", "≤ 0.2")
