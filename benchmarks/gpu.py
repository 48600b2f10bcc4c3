"""On a GPU: how much of what it can multiply extraction uses, what writing the states costs, and anchors."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import Row, Setting, best_of
from benchmarks._random import random_model, random_prompts
from benchmarks.anchors import beside_gram
from benchmarks.extraction import operations
from vocabsem.models.language_model import LanguageModel
from vocabsem.states.batching import TOKEN_BUDGET, padded, token_batches
from vocabsem.states.extraction import extract
from warehouse.home import Home
from warehouse.lake.keys import partition_key
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors

SHAPES: dict[str, dict[str, Any]] = {  # of SmolLM2-135M, Llama 3.2 1B and Llama 3 8B
    "0.1": {"layers": 30, "hidden": 576, "inner": 1536, "heads": 9, "groups": 3, "vocabulary": 49152},
    "1": {"layers": 16, "hidden": 2048, "inner": 8192, "heads": 32, "groups": 8, "vocabulary": 128256},
    "8": {"layers": 32, "hidden": 4096, "inner": 14336, "heads": 32, "groups": 8, "vocabulary": 128256, "tied": False},
}
ROWS, TOKENS = 8192, 32
SIDE, PRODUCTS = 8192, 16


def measure(setting: Setting) -> Iterator[Row]:
    if not torch.cuda.is_available():
        sys.stderr.write("gpu: there is none here that torch can use\n")
        return
    for billions, shape in SHAPES.items():
        yield from _of(billions, random_model(**shape, device="cuda"), shape["vocabulary"])
        torch.cuda.empty_cache()
    yield beside_gram(128_256, 4_096, "cuda")  # the head of Llama 3 8B


def _of(billions: str, model: LanguageModel, vocabulary: int) -> Iterator[Row]:
    prompts = random_prompts(ROWS, TOKENS, vocabulary)
    extract(model, prompts, [model.layers])
    works = (lambda: _forward(model, prompts), lambda: _written(model, prompts), _product)
    forward, written, product = best_of(3, *works)
    name = f"{billions} billion parameters on {torch.cuda.get_device_name()}"
    rate, peak = operations(model, prompts) / written, PRODUCTS * 2 * SIDE**3 / product
    yield Row(f"extraction with writing, {name}", rate / 1e12, "bfloat16 product", peak / 1e12, "TFLOP/s", "")
    yield Row(f"extraction with writing, {name}", ROWS / written, "forward alone", ROWS / forward, "prompts/s", "≥ 0.9")


def _product() -> None:
    a, b = (torch.randn(SIDE, SIDE, dtype=torch.bfloat16, device="cuda") for _ in range(2))
    for _ in range(PRODUCTS):
        a @ b
    torch.cuda.synchronize()


def _forward(model: LanguageModel, prompts: list[list[int]]) -> None:
    """The same batches through the body, their states left on the card."""
    with torch.inference_mode():
        for rows in token_batches([len(ids) for ids in prompts], TOKEN_BUDGET["cuda"]):
            model.network.base_model(padded([prompts[row] for row in rows], model.network.device)[0], use_cache=False)
    torch.cuda.synchronize()


def _written(model: LanguageModel, prompts: list[list[int]]) -> None:
    import pyarrow as pa

    states = extract(model, prompts, [model.layers])[model.layers]
    table = pa.table({"id": np.arange(len(states)), "state": vectors(states)})
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        partition = Lake(Home(Path(folder))).partition("states", partition_key({"bench": model.name}))
        partition.write_table("part-0.parquet", table)
