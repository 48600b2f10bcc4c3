"""Extract the hidden states of all tokens of examples, one shard per task, kept after a kill like those of `states`."""

import time

import numpy as np
import pyarrow as pa

from tasks.models.loaded import inference, loaded_causal
from tasks.models.prompts import make_prompts, prompt_columns
from tasks.steps.decorator import step_task
from tasks.steps.lake_reads import prompt_rows
from tasks.steps.progress import ProgressFile, in_texts
from tasks.steps.shards import shard_name
from tasks.steps.specs import TokenStatesSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.states.extraction import check_head
from vocabsem.states.layers import column_of
from vocabsem.states.token_states import extract_tokens
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors


@step_task(task_run_name="states of tokens {dataset.name} {step.spec.split} {start}-{stop}")
def extract_token_shard(
    home: Home,
    model: ModelCard,
    dataset: DatasetCard,
    step: Step[TokenStatesSpec],
    start: int,
    stop: int,
    device: str,
    progress: ProgressFile | None = None,
) -> str:
    """Rows `start` to `stop` of a split: states of every token of their prompts, one file. Returns its name."""
    spec = step.spec
    rows = prompt_rows(home, spec, slice(start, stop))
    chunked = make_prompts(home, model, spec, [dict(fields) for fields in rows["fields"].to_pylist()])
    token_ids = chunked.prompts.token_ids
    with inference():
        network = loaded_causal(model, home, spec.dtype, device)
        difference = check_head(network, token_ids) if start == 0 else None
        began = time.perf_counter()
        progressed = in_texts(progress, stop - start, len(token_ids))
        states = extract_tokens(network, token_ids, spec.layers, progress=progressed)
        seconds = time.perf_counter() - began
    lengths = [len(ids) for ids in token_ids]
    table = pa.table(prompt_columns(rows, chunked)).take(np.repeat(np.arange(len(lengths)), lengths))
    table = table.append_column("position", pa.array(np.concatenate(list(map(np.arange, lengths))), pa.int32()))
    table = table.append_column("token", pa.array(np.concatenate(token_ids), pa.int32()))
    for layer, values in states.items():
        table = table.append_column(column_of(layer), vectors(values))
    measured = {"seconds": f"{seconds:.3f}"} | ({} if difference is None else {"guard": f"{difference:.3g}"})
    name = shard_name(start, stop)
    step.partition(Lake(home)).write_table(name, table.replace_schema_metadata(measured))
    return name
