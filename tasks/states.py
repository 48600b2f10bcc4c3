"""Extract the hidden states of examples, one shard per task. Shards that were finished before a kill are kept."""

import time

import pyarrow as pa

from tasks.models.loaded import inference, loaded
from tasks.models.prompts import make_prompts, prompt_columns
from tasks.steps.decorator import step_task
from tasks.steps.lake_reads import prompt_rows
from tasks.steps.progress import ProgressFile, in_texts
from tasks.steps.shards import shard_name
from tasks.steps.specs import StatesSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.states.extraction import check_head, extract
from vocabsem.states.layers import column_of
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors


@step_task(task_run_name="states {dataset.name} {step.spec.split} {start}-{stop}")
def extract_shard(
    home: Home,
    model: ModelCard,
    dataset: DatasetCard,
    step: Step[StatesSpec],
    start: int,
    stop: int,
    device: str,
    progress: ProgressFile | None = None,
) -> str:
    """Rows `start` to `stop` of a split: prompts, states of every wanted layer, one file. Returns its name."""
    spec = step.spec
    rows = prompt_rows(home, spec, slice(start, stop))
    chunked = make_prompts(home, model, spec, [dict(fields) for fields in rows["fields"].to_pylist()])
    token_ids = chunked.prompts.token_ids
    with inference():
        network = loaded(model, home, spec.dtype, device)
        difference = check_head(network, token_ids) if start == 0 else None
        began = time.perf_counter()
        states = extract(
            network,
            token_ids,
            spec.layers,
            pooling=spec.pooling,
            progress=in_texts(progress, stop - start, len(token_ids)),
        )
        seconds = time.perf_counter() - began
    table = pa.table(
        {
            **prompt_columns(rows, chunked),
            **{column_of(layer): vectors(chunked.average(values)) for layer, values in states.items()},
        }
    ).replace_schema_metadata(
        {"seconds": f"{seconds:.3f}"} | ({} if difference is None else {"guard": f"{difference:.3g}"})
    )
    name = shard_name(start, stop)
    step.partition(Lake(home)).write_table(name, table)
    return name
