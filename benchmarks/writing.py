"""Extraction with its states written to the lake against extraction alone, shard by shard as the flow does it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks import Row, Setting, best_of
from benchmarks.overhead import own_home
from flows.execution.extraction import IN_FLIGHT
from flows.planning.experiment import load_experiment
from flows.planning.plan import make_plan
from tasks.examples import build_examples
from tasks.fetch import fetch_card
from tasks.models.loaded import loaded
from tasks.states import extract_shard
from vocabsem.states.extraction import extract
from warehouse.home import Home

SHARD = 96
SPANS = [(start, start + SHARD) for start in range(SHARD, 4 * SHARD, SHARD)]  # the first is also guarded, once a split


def measure(setting: Setting) -> Iterator[Row]:
    depth = setting.model.layers
    for name, layers in (("one layer", [depth]), (f"all {depth + 1} layers", list(range(depth + 1)))):
        with own_home(setting) as home:
            ours, theirs = best_of(3, *works(setting, home, layers))
        yield Row(f"prompts, states and lake, {name}", ours, "extraction alone", theirs, "s", "≤ 1.05")


def works(setting: Setting, home: Home, layers: list[int]) -> tuple[Callable[[], object], Callable[[], object]]:
    """Examples in the lake to states in the lake; and the states alone, of the same prompts."""
    prompts = setting.prompts(SPANS[-1][1])
    overrides = {
        "datasets": [setting.dataset],
        "limits": {"train": 64, "validation": None, "test": len(prompts)},
        "layers": layers,
        "max_tokens": 512,
    }
    plan = make_plan(load_experiment("quickstart", overrides), home, setting.data_dir)
    (pair,) = plan.pairs
    card, dataset, step, device = (
        pair.model,
        pair.dataset,
        pair.states["test"],
        plan.experiment.device,
    )
    build_examples.fn(home, dataset, fetch_card.fn(home, dataset), pair.examples)
    model = loaded(card, home, step.spec.dtype, device)

    def written() -> None:
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            list(pool.map(lambda span: extract_shard.fn(home, card, dataset, step, *span, device), SPANS))

    def alone() -> None:
        for start, stop in SPANS:
            extract(model, prompts[start:stop], layers)

    return written, alone
