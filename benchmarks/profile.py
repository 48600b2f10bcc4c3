"""Where the time of extraction goes on one core, operation by operation, as torch's profiler sees it."""

import time
from collections.abc import Iterator

import torch

from benchmarks import Row, Setting
from vocabsem.states.extraction import extract

ROWS = 128
KINDS = {  # of torch's operations, by their names
    "products with weights": {"mm", "addmm", "mkldnn_linear"},
    "products of attention": {"bmm", "baddbmm"},
    "softmax": {"_softmax"},
    "activation, norms, rotation, sums": {"mul", "add", "silu", "rsqrt", "pow", "mean", "sum", "div_", "neg", "cat"},
    "copies and conversions": {"copy_", "fill_"},
}
OTHER, PYTHON = "other operations", "Python, and torch between operations"


def measure(setting: Setting) -> Iterator[Row]:
    model, prompts = setting.model, setting.prompts(ROWS)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # batches then run in this thread, which the profiler watches
    try:
        extract(model, prompts[:32], [model.layers])
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
            began = time.perf_counter()
            extract(model, prompts, [model.layers])
            whole = time.perf_counter() - began
    finally:
        torch.set_num_threads(threads)
    seconds = by_kind({event.key: event.self_cpu_time_total / 1e6 for event in profiler.key_averages()})
    seconds[PYTHON] = max(0.0, whole - sum(seconds.values()))
    for kind, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        yield Row(f"extraction on one core: {kind}", spent, "all of it", whole, "s", "")


def by_kind(seconds: dict[str, float]) -> dict[str, float]:
    """Seconds of operations by name (`aten::mm`) → of each kind."""
    total = dict.fromkeys((*KINDS, OTHER), 0.0)
    for name, spent in seconds.items():
        total[next((kind for kind, names in KINDS.items() if name.removeprefix("aten::") in names), OTHER)] += spent
    return total
