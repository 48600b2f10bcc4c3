"""Examples to the outputs of attention heads at their last tokens, a shard a task, kept after a kill as states are."""

import time

import pyarrow as pa

from tasks.models.loaded import inference, loaded_causal
from tasks.models.prompts import make_prompts, prompt_columns
from tasks.steps.decorator import step_task
from tasks.steps.lake_reads import prompt_rows
from tasks.steps.progress import ProgressFile, in_texts
from tasks.steps.shards import shard_name
from tasks.steps.specs import HeadOutputsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.states.head_outputs import check_heads, extract_head_outputs
from vocabsem.states.layers import column_of
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors


@step_task(task_run_name="outputs of heads {dataset.name} {step.spec.split} {start}-{stop}")
def extract_head_shard(
    home: Home,
    model: ModelCard,
    dataset: DatasetCard,
    step: Step[HeadOutputsSpec],
    start: int,
    stop: int,
    device: str,
    progress: ProgressFile | None = None,
) -> str:
    """Rows `start` to `stop` of a split: what heads give at the last token of their prompts, one file. Returns its
    name."""
    spec = step.spec
    rows = prompt_rows(home, spec, slice(start, stop))
    chunked = make_prompts(home, model, spec, [dict(fields) for fields in rows["fields"].to_pylist()])
    token_ids = chunked.prompts.token_ids
    with inference():
        network = loaded_causal(model, home, spec.dtype, device)
        difference = check_heads(network, token_ids, spec.layers) if start == 0 else None
        began = time.perf_counter()
        progressed = in_texts(progress, stop - start, len(token_ids))
        outputs = extract_head_outputs(network, token_ids, spec.layers, progress=progressed)
        seconds = time.perf_counter() - began
    columns = {column_of(layer): vectors(chunked.average(values)) for layer, values in outputs.items()}
    measured = {"seconds": f"{seconds:.3f}"} | ({} if difference is None else {"guard": f"{difference:.3g}"})
    name, table = shard_name(start, stop), pa.table({**prompt_columns(rows, chunked), **columns})
    step.partition(Lake(home)).write_table(name, table.replace_schema_metadata(measured))
    return name
