"""A world whose splits have as many rows as one likes: made states, written through the lake's own door, no text read.

`python -m tests.load.large [--test N] [--train N] [--shots 16|all] [--width D] [--seeds N] [--methods NAME ...]` prints
the peak memory and the seconds of every method over it, then of what follows: metrics, comparisons, catalog, report,
queries.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from flows.planning.memory import needs
from flows.planning.plan import Plan
from flows.reporting.report import report
from tasks.comparisons import compare
from tasks.fits import fit_method
from tasks.metrics import score
from tasks.record import record_run
from tasks.steps.facts import AnchorsFacts, ClassFacts, ExamplesFacts, NormFacts, StatesFacts
from tasks.steps.shards import shard_name, shards
from tasks.steps.specs import StatesSpec
from tasks.steps.step import Step
from tests.tasks.worlds import LABELS, World, model, write_card
from vocabsem.methods.registry import method_infos
from warehouse.catalog import catalog
from warehouse.catalog.named_queries import named_queries, run_named_query
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors
from warehouse.lake.verify import verify

SHARD = 8192
SAMPLED = 0.01  # seconds
METHODS = [
    name
    for name, info in method_infos().items()
    if info.family == "states" and "nominal" in info.label_kinds and not info.package
]
GIVEN = {"nearest-tokens": {"token": "t7"}, "nearest-examples": {"example": "test-000007"}}


def large_world(folder: Path, width: int, **experiment: Any) -> World:
    """Return a world whose card has every method over stored states of `width` columns, with nothing published."""
    settings = {"methods": METHODS, "champion": False, "shard_rows": SHARD}
    world = World(folder, experiment=settings | experiment)
    write_card(folder / "model.yaml", model().model_dump(mode="json") | {"hidden_size": width})
    return world


def fill(plan: Plan, rows: dict[str, int]) -> None:
    """Publish examples, anchors and states, `rows` of each split, for all that the plan reads."""
    width = plan.pairs[0].model.hidden_size
    _put_examples(plan, rows)
    _put_anchors(plan, width)
    for step in plan.pairs[0].states.values():
        _put_states(plan, step, rows.get(step.spec.split, 8), width)


def _put_examples(plan: Plan, rows: dict[str, int]) -> None:
    step, names = plan.pairs[0].examples, [label["name"] for label in LABELS]
    tables = []
    for split, count in rows.items():
        numbers = np.arange(count)
        labels = numbers % len(names)
        texts = pa.array([f"text {number} of {split}" for number in numbers.tolist()], pa.string())
        keys = pa.repeat("text", count)
        table = {
            "id": _ids(split, 0, count),
            "split": pa.repeat(split, count),
            "label": pa.array(labels, pa.int32()),
            "label_name": pa.array(np.array(names)[labels]),
            "text": texts,
            "fields": pa.MapArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32)), keys, texts),
        }
        tables.append(pa.table(table))
    counts = {split: {name: len(range(i, n, len(names))) for i, name in enumerate(names)} for split, n in rows.items()}
    facts = ExamplesFacts(
        rows_read=rows,
        rows_of_other_sources=0,
        empty_dropped=0,
        duplicates_removed={"repeated": 0, "also_in_test_or_validation": 0},
        split_rule="as the source divides them",
        counts=counts,
        majority_share={split: max(of.values()) / rows[split] for split, of in counts.items()},
        rows=rows,
        description="made",
        license="CC0-1.0",
        citation=None,
        template="{text}",
        sources={"train": "made"},
        classes=[ClassFacts(label=i, name=each["name"], word=each["word"]) for i, each in enumerate(LABELS)],
    )
    step.publish(Lake(plan.home), pa.concat_tables(tables), facts)


def _put_anchors(plan: Plan, width: int) -> None:
    step, tokens = plan.pairs[0].anchors, model().vocabulary_size
    head, anchors = (_normal(seed, tokens, width) for seed in (1, 2))
    table = pa.table(
        {
            "token_id": pa.array(np.arange(tokens, dtype=np.int32)),
            "token": pa.array([f"t{number}" for number in range(tokens)]),
            "leverage": pa.array(np.full(tokens, 0.5)),
            "norm": pa.array(np.linalg.norm(anchors, axis=1).astype(np.float64)),
            "head_norm": pa.array(np.linalg.norm(head, axis=1).astype(np.float64)),
            "bias": pa.array(np.zeros(tokens, np.float32)),
            "anchor": vectors(anchors),
            "head": vectors(head),
        }
    )
    facts = AnchorsFacts(
        condition=1.0,
        residual=0.0,
        rank=width,
        gauge="raw",
        solver="made",
        tokens=tokens,
        padding_rows=0,
        softcap=None,
        scale=0.1,
        card=model().model_dump(mode="json"),
    )
    step.publish(Lake(plan.home), table, facts)


def _put_states(plan: Plan, step: Step[StatesSpec], rows: int, width: int) -> None:
    spec, lake = step.spec, Lake(plan.home)
    means, entries = _normal(3, len(LABELS), width), []
    (layer,) = spec.layers
    for start, stop in shards(rows, SHARD):
        labels = np.arange(start, stop) % len(LABELS)
        states = 0.3 * means[labels] + _normal(10 + start + len(spec.split), stop - start, width)
        table = pa.table(
            {
                "id": _ids(spec.split, start, stop),
                "label": pa.array(labels, pa.int32()),
                "tokens": pa.array(np.full(stop - start, 8, np.int32)),
                "truncated": pa.array(np.zeros(stop - start, bool)),
                f"layer_{layer}": vectors(_bfloat16(states)),
            }
        )
        entries.append(step.partition(lake).write_table(shard_name(start, stop), table))
    facts = StatesFacts(
        layers=spec.layers,
        pooling=spec.pooling,
        dtype="bfloat16",
        max_tokens=spec.max_tokens,
        tokens=8 * rows,
        truncated=0,
        seconds=1.0,
        norm=NormFacts(min=1.0, mean=1.0, max=1.0),
    )
    step.publish(lake, entries, facts)


def _ids(split: str, start: int, stop: int) -> pa.Array:
    return pa.array([f"{split}-{number:06d}" for number in range(start, stop)], pa.string())


def _normal(seed: int, rows: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width), np.float32)


def _bfloat16(values: np.ndarray) -> np.ndarray:
    """Cut float32 to what bfloat16 can hold, as a model in that dtype gives it."""
    return (values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


# ── what is measured ─────────────────────────────────────────────────────────────────────────────────────────────


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Run `work` in a process of its own. Returns the most MB that it held beyond what it began with, and seconds.

    Pages of files that it maps do not count: the system takes them back where it needs memory.
    """
    began, held = time.monotonic(), []
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    process = psutil.Process(child)
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        memory = process.memory_info()
        held.append(memory.rss - memory.shared)
        time.sleep(SAMPLED)
    if ended[1]:
        raise RuntimeError(f"a process ended with {os.waitstatus_to_exitcode(ended[1])}")
    return (max(held) - held[0]) / 1e6, time.monotonic() - began


def stated(plan: Plan, name: str) -> float:
    """Return the MB that a method's fits state before they start."""
    return max(need.bytes for need in needs(plan, plan.pairs[0]) if need.fit.name == name) / 1e6


def subjects(plan: Plan) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield every method with its fits, then what follows from all of them."""
    (pair,) = plan.pairs
    home, dataset = plan.home, pair.dataset
    for name in dict.fromkeys(fit.name for fit in pair.fits):
        steps = [fit.predictions for fit in pair.fits if fit.name == name]
        yield name, lambda name=name, steps=steps: fit_method.fn(home, pair.model, dataset, name, steps)
    fits = [(fit.predictions, fit.metrics) for fit in pair.fits]
    yield "metrics of one fit", lambda: score.fn(home, dataset.name, fits[:1])
    yield "metrics of the others", lambda: score.fn(home, dataset.name, fits[1:])
    yield "comparisons", lambda: compare.fn(home, dataset.name, pair.compared)
    card = plan.experiment.model_dump(mode="json")
    yield "record", lambda: record_run.fn(home, card, plan.run, time.time(), "", "none", [])
    yield "catalog", lambda: catalog.rebuild(home)
    yield "catalog, brought up to date", lambda: catalog.update(home)
    yield "verify", lambda: list(verify(home))
    yield "report", lambda: report(home, plan.experiment.name, html=True)
    few = [fit for fit in pair.fits if fit.shots != 0] or pair.fits
    two = {"method": few[0].name, "other": few[-1].name, "shots": str(few[0].shots)}
    given = GIVEN | {"disagreements": two}
    for name in named_queries():
        yield f"query {name}", lambda name=name: run_named_query(home, name, given.get(name, {}))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.load.large", description=__doc__)
    parser.add_argument("--test", type=int, default=1_000_000, help="test rows")
    parser.add_argument("--train", type=int, default=20_000, help="training rows")
    parser.add_argument("--shots", default="16", help="labeled examples per class, or all")
    parser.add_argument("--width", type=int, default=64, help="of a state")
    parser.add_argument("--seeds", type=int, default=2, help="number of seeds")
    parser.add_argument("--methods", nargs="*", default=METHODS, help="all by default")
    given = parser.parse_args()
    rows = {"train": given.train, "validation": 1000, "test": given.test}
    shots = [0, given.shots if given.shots == "all" else int(given.shots)]
    with tempfile.TemporaryDirectory(prefix="large-") as folder:
        settings = {"methods": given.methods, "shots": shots, "seeds": list(range(given.seeds))}
        plan = large_world(Path(folder), given.width, **settings).plan()
        sys.stdout.write("| what | MB | stated | s |\n|---|---|---|---|\n")
        for name, work in [("the world, made", lambda: fill(plan, rows)), *subjects(plan)]:
            limit = f"{stated(plan, name):,.0f}" if name in given.methods else ""
            peak, seconds = measured(work)
            sys.stdout.write(f"| {name} | {peak:,.0f} | {limit} | {seconds:,.0f} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    from flows.services.environment import set_environment

    with tempfile.TemporaryDirectory(prefix="large-home-") as home:
        set_environment(home)
        main()
