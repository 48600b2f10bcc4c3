"""`python benchmarks/speed.py`: figures of this machine, each beside a rival or a limit of the same run."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import flows  # noqa: F401  # sets how torch's threads wait, which torch reads when it is imported

# isort: split
import torch
from rich.console import Console
from rich.table import Table

from tasks.examples import SEED
from vocabsem.anchors import semantic_anchors
from vocabsem.cards import load_card
from vocabsem.examples import read_examples
from vocabsem.extraction import extract
from vocabsem.language_model import load_model
from vocabsem.prompting import encode_prompts
from vocabsem.sources import fetch
from warehouse.home import Home

MODEL = "smollm2-135m-instruct"


def best_of(runs: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of `runs`: the one the machine's other users disturbed least."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def bench_anchors(table: Table, home: Home) -> None:
    """All anchors of the default model's head against torch's pseudoinverse of the same float32 tensor."""
    head = load_model(load_card("models", MODEL), home.cache, dtype="checkpoint").head.weight
    ours = best_of(3, lambda: semantic_anchors(head))
    theirs = best_of(2, lambda: torch.linalg.pinv(head))
    shape = "x".join(map(str, head.shape))
    table.add_row(
        f"anchors of {shape}", f"{ours:.2f} s", "torch.linalg.pinv", f"{theirs:.2f} s", f"{ours / theirs:.2f}"
    )


def bench_extraction(table: Table, home: Home, dataset: str, data_dir: Path | None) -> None:
    """Tokens a second of a test split, last layer, against the bf16 matrix products the model must do."""
    card = load_card("datasets", dataset).located(data_dir)
    files = {
        split: fetch(source, home.cache, sha256=card.sha256.get(split)).path for split, source in card.files.items()
    }
    examples = read_examples(
        card, files, limits={"train": 64, "validation": None, "test": None}, seed=SEED, cache=home.cache / "datasets"
    )
    fields = [row for row, split in zip(examples.fields, examples.split, strict=True) if split == "test"]
    model_card = load_card("models", MODEL)
    model = load_model(model_card, home.cache)
    prompts = encode_prompts(model.tokenizer, card.template, fields, max_tokens=512, prepend_bos=False).token_ids
    tokens = sum(map(len, prompts))
    extract(model, prompts[:64], [model.layers])
    seconds = best_of(3, lambda: extract(model, prompts, [model.layers]))
    body = model_card.parameters - model_card.vocabulary_size * model_card.hidden_size
    rate, needed = tokens / seconds, 2 * body * tokens
    peak = _matrix_product_rate(getattr(torch, model.dtype))
    name = f"states of {dataset} test ({len(prompts)} prompts, {tokens / len(prompts):.0f} tokens)"
    table.add_row(
        name,
        f"{rate:,.0f} tokens/s",
        f"{model.dtype} matrix product",
        f"{peak / 1e12:.2f} TFLOP/s",
        f"{needed / seconds / peak:.2f}",
    )


def _matrix_product_rate(dtype: torch.dtype) -> float:
    a, b = torch.randn(1024, 576).to(dtype), torch.randn(576, 1536).to(dtype)
    return 2 * a.shape[0] * a.shape[1] * b.shape[1] / best_of(50, lambda: a @ b)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["anchors", "extraction", "all"], default="all")
    parser.add_argument("--dataset", default="rotten_tomatoes")
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    home = Home.find()
    table = Table("what", "vocabsem", "beside", "its figure", "ratio", title=f"{torch.get_num_threads()} threads")
    if given.what in ("anchors", "all"):
        bench_anchors(table, home)
    if given.what in ("extraction", "all"):
        bench_extraction(table, home, given.dataset, given.data_dir)
    Console(highlight=False, width=140).print(table)


if __name__ == "__main__":
    main()
