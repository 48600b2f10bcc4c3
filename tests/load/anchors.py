"""Peak memory of the anchors of a random head, whole and by blocks: `python -m tests.load.anchors [ROWS WIDTH]`."""

import gc
import multiprocessing
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from flows.planning.memory import ANCHOR_ROWS, SUM_ROWS
from tasks.anchor_block import solve_anchor_block
from tasks.anchors import build_anchors
from tasks.head_inverse import invert_head
from tasks.head_size import count_head_rows
from tasks.head_sums import sum_head_rows
from tasks.publish_anchors import publish_anchor_blocks
from tasks.steps.shards import shards
from tasks.steps.specs import AnchorsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import ModelCard
from warehouse.home import Home

MB = 1e6


def save_model(folder: Path, rows: int, width: int) -> ModelCard:
    """A model of one layer whose head has so many tokens, all random, in bfloat16."""
    folder.mkdir()
    words = Tokenizer(models.WordLevel({f"word{number}": number for number in range(rows)}, unk_token="word0"))
    PreTrainedTokenizerFast(tokenizer_object=words, bos_token="word0", eos_token="word1").save_pretrained(folder)
    sizes = {"hidden_size": width, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 8}
    config = LlamaConfig(vocab_size=rows, dtype="bfloat16", architectures=["LlamaForCausalLM"], **sizes)
    config.save_pretrained(folder)
    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = {name: each.shape for name, each in LlamaForCausalLM(config).state_dict().items()}
    tensors = {name: torch.randn(shape, dtype=torch.bfloat16) for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return ModelCard(
        name="random",
        description="random weights",
        source=f"file:{folder}",
        license="CC0-1.0",
        prepend_bos=False,
        max_tokens=64,
        parameters=sum(each.numel() for each in tensors.values()),
        layers=1,
        hidden_size=width,
        vocabulary_size=rows,
    )


def solve_whole(home: Home, card: ModelCard, step: Step[AnchorsSpec]) -> None:
    build_anchors.fn(home, card, step, "cpu")


def solve_blocks(
    home: Home, card: ModelCard, step: Step[AnchorsSpec], summed: int = SUM_ROWS, solved: int = ANCHOR_ROWS
) -> None:
    """Every task after the other, in this process."""
    of, rows = (home, card, step), count_head_rows.fn(home, card)
    assert rows is not None
    spans = shards(rows, summed)
    for span in spans:
        sum_head_rows.fn(*of, "gram", span, spans, "cpu")
    assert invert_head.fn(*of, spans, "cpu", False)
    for span in shards(rows, solved):
        solve_anchor_block.fn(*of, *span, spans, "cpu")
    publish_anchor_blocks.fn(*of, solved, spans)


def measure(solve, folder, card, sizes=(), out=None):
    """Bytes that the process has at most beyond those before it begins, and seconds; put into `out` if it is given."""
    step = Step(AnchorsSpec(model=card.name, digest="0" * 64, gauge="raw"))
    home = Home(folder / f"home-{solve.__name__}")
    assert count_head_rows.fn(home, card) == card.vocabulary_size  # all is imported, and the tokenizer loaded
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is the present size
    before, began = _memory("VmRSS"), time.perf_counter()
    solve(home, card, step, *sizes)
    measured = _memory("VmHWM") - before, time.perf_counter() - began
    if out is not None:
        out.put(measured)
    return measured


def in_a_process(solve, folder, card, sizes=()):
    """The same in a process of its own, whose allocator has nothing to reuse."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    process = context.Process(target=measure, args=(solve, folder, card, sizes, out))
    process.start()
    measured = out.get(timeout=3000)
    process.join()
    return measured


def _memory(name):
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) * 1024


def main() -> None:
    rows, width = map(int, sys.argv[1:] or ("65536", "2048"))
    sizes = f"{2 * rows * width / MB:,.0f} MB in bfloat16, {8 * rows * width / MB:,.0f} MB in float64"
    sys.stdout.write(f"{rows:,} × {width:,}, {sizes}\n| way | MB | s |\n|---|---|---|\n")
    with TemporaryDirectory(prefix="anchors-") as name:
        folder = Path(name)
        card = save_model(folder / "model", rows, width)
        for solve in (solve_whole, solve_blocks):
            peak, seconds = in_a_process(solve, folder, card)
            sys.stdout.write(f"| {solve.__name__} | {peak / MB:,.0f} | {seconds:.0f} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
