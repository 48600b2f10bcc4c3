"""A study: what its instrument reads to two partitions, its ranked items and, published last, its values."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.steps.checks import finite
from tasks.steps.decorator import step_task
from tasks.steps.facts import StudyFacts
from tasks.steps.step import Step
from tasks.steps.study_specs import StudyItemsSpec, StudyValuesSpec
from tasks.studies.inputs import Inputs
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.instruments.base import Item, Value
from warehouse.home import Home
from warehouse.lake.partition import Lake

NUMBERS = ("value", "low", "high", "null_low", "null_high")
VALUES = pa.schema(
    [("unit", pa.string()), ("layer", pa.int32()), ("variant", pa.string()), ("metric", pa.string())]
    + [(name, pa.float64()) for name in NUMBERS]
    + [("n", pa.int32()), ("seed", pa.int64())]
)
ITEMS = pa.schema(
    [("item", pa.string()), ("layer", pa.int32()), ("rank", pa.int32()), ("score", pa.float64()), ("text", pa.string())]
)


@step_task(task_run_name="study {step.spec.study}, {model.name}")
def run_study(
    home: Home,
    model: ModelCard,
    datasets: Sequence[DatasetCard],
    files: Mapping[str, Path],
    items: Step[StudyItemsSpec],
    step: Step[StudyValuesSpec],
    device: str,
) -> str:
    """Measure, and publish the items, then the values. Returns the key of these."""
    began = time.perf_counter()
    inputs = Inputs(home, model, {card.name: card for card in datasets}, files, items.spec, device)
    result = import_module(f"tasks.studies.{step.spec.study}").measure(inputs)
    values = pa.Table.from_pylist([_row(value, items.spec.seed) for value in result.values], VALUES)
    facts = StudyFacts(seconds=round(time.perf_counter() - began, 3), notes=result.notes)
    lake = Lake(home)
    listed = items.partition(lake)
    written = [listed.write_table("part-0.parquet", _table(result.items))]
    written += [listed.write_bytes(name, content) for name, content in result.files.items()]
    items.publish(lake, written, StudyFacts(seconds=0))
    numbers = np.stack([values[name].to_numpy() for name in NUMBERS])
    step.publish(lake, values, facts, [finite(numbers, "values, ends of intervals and of nulls")])
    return step.key


def _row(value: Value, seed: int) -> dict[str, Any]:
    row = asdict(value)
    (low, high), (null_low, null_high) = row.pop("interval"), row.pop("null")
    return row | {"low": low, "high": high, "null_low": null_low, "null_high": null_high, "seed": seed}


def _table(items: Sequence[Item]) -> pa.Table:
    return pa.Table.from_pylist([asdict(item) for item in items], ITEMS)
