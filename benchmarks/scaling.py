"""How cost grows with rows, layers, hidden size and vocabulary: four sizes each, of models with random weights."""

from collections.abc import Callable, Iterator

import torch

from benchmarks import Row, Setting, best_of
from benchmarks._random import random_model, random_prompts
from vocabsem.runtime.devices import resolve_dtype
from vocabsem.states.extraction import extract
from vocabsem.vocabulary.anchors import semantic_anchors

BASE = {"rows": 128, "layers": 8, "hidden": 512, "vocabulary": 16384}
SIZES = {
    "rows": (64, 128, 256, 512),
    "layers": (4, 8, 16, 32),
    "hidden": (256, 512, 768, 1024),
    "vocabulary": (16384, 32768, 65536, 131072),
}
TOKENS = 32


def measure(setting: Setting) -> Iterator[Row]:
    for what, shapes in (("extraction", SIZES), ("anchors", {name: SIZES[name] for name in ("hidden", "vocabulary")})):
        for name, sizes in shapes.items():
            works = [WORK[what](**BASE | {name: size}) for size in sizes]
            first, *others = best_of(2, *works)
            for size, seconds in zip(sizes[1:], others, strict=True):
                yield Row(f"{what}, {name} {size:,}", seconds, f"{name} {sizes[0]:,}", first, "s", "")


def _extraction(rows: int, layers: int, hidden: int, vocabulary: int) -> Callable[[], object]:
    model = random_model(layers, hidden, vocabulary=vocabulary, dtype=resolve_dtype("auto"))
    prompts = random_prompts(rows, TOKENS, vocabulary)
    return lambda: extract(model, prompts, [layers])


def _anchors(rows: int, layers: int, hidden: int, vocabulary: int) -> Callable[[], object]:
    head = torch.randn(vocabulary, hidden)
    return lambda: semantic_anchors(head)


WORK: dict[str, Callable[..., Callable[[], object]]] = {"extraction": _extraction, "anchors": _anchors}
