"""The paper's module: 64 of them trained together against an ordinary loop of torch over the same 64."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import torch

from benchmarks import Row, Setting, best_of
from vocabsem.methods import LabelSpace, PaperCalibrator
from vocabsem.methods._solvers.paper_module import PaperModule
from vocabsem.runtime.devices import resolve_device
from vocabsem.vocabulary.similarity import similarity_logits

WIDTH, BATCH = 576, 256
VARIANTS = list(product(range(4), (3e-4, 1e-3, 3e-3, 1e-2), (0.0, 1e-4, 1e-3, 1e-2)))  # seeds, rates, decays


def measure(setting: Setting) -> Iterator[Row]:
    device = resolve_device()
    for rows, epochs, wanted, name in (
        (32, 10, "≤ 0.05", "16 shots of two classes"),
        (8662, 1, "≤ 0.25", "all 8,662 training rows of MR"),
    ):
        generator = np.random.default_rng(0)
        x, y = generator.standard_normal((rows, WIDTH)).astype(np.float32), np.arange(rows) % 2
        pair = generator.standard_normal((2, WIDTH)).astype(np.float32)
        space = LabelSpace(pair, pair, np.zeros(2, np.float32))
        works = [
            lambda dtype=dtype, x=x, y=y, space=space, epochs=epochs: together(space, x, y, epochs, dtype, device)
            for dtype in ("float32", "bfloat16")
        ]
        plain, *ours = best_of(2, lambda x=x, y=y, pair=pair, epochs=epochs: loop(pair, x, y, epochs, device), *works)
        for dtype, seconds in zip(("float32", "bfloat16"), ours, strict=True):
            what = f"64 calibrators in {dtype} on {device}, {name}"
            yield Row(f"{what}, {epochs} epochs", seconds, "a loop of 64 in float32", plain, "s", wanted)


def together(space: LabelSpace, x: np.ndarray, y: np.ndarray, epochs: int, dtype: str, device: str) -> None:
    same = {"epochs": epochs, "batch_size": BATCH, "dtype": dtype, "device": device}
    estimators = [
        PaperCalibrator(space, random_state=s, learning_rate=r, weight_decay=d, **same) for s, r, d in VARIANTS
    ]
    PaperCalibrator.fit_together(estimators, [x] * len(estimators), [y] * len(estimators), [None] * len(estimators))


def loop(targets: np.ndarray, x: np.ndarray, y: np.ndarray, epochs: int, device: str) -> None:
    states, labels, anchors = (torch.from_numpy(array).to(device) for array in (x, y, targets))
    for seed, rate, decay in VARIANTS:
        generator = torch.Generator().manual_seed(seed)
        module = PaperModule.random(WIDTH, generator).to(device)
        optimizer = torch.optim.Adam(module.parameters(), lr=rate, weight_decay=decay, fused=True)
        for _ in range(epochs):
            for rows in torch.randperm(len(y), generator=generator).to(device).split(BATCH):
                logits = similarity_logits(module(states[rows]), anchors)
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(logits, labels[rows]).backward()
                optimizer.step()
        next(module.parameters())[0, 0].item()  # a GPU has done its work
