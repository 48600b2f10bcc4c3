"""Examples to exact scores of the label words, a shard a task. A shard that was finished before a kill is kept."""

import time

import numpy as np
import pyarrow as pa

from tasks.models.loaded import inference, loaded_causal, word_ids
from tasks.models.prompts import make_prompts, prompt_columns
from tasks.steps.decorator import step_task
from tasks.steps.lake_reads import SCORES, prompt_rows
from tasks.steps.progress import ProgressFile, in_texts
from tasks.steps.shards import shard_name
from tasks.steps.specs import WordScoresSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import ModelCard
from vocabsem.word_scores import score_words
from warehouse.home import Home
from warehouse.lake.partition import Lake
from warehouse.lake.vectors import vectors


@step_task(task_run_name="word scores {step.spec.dataset} {step.spec.split} {start}-{stop}")
def score_shard(
    home: Home,
    model: ModelCard,
    step: Step[WordScoresSpec],
    start: int,
    stop: int,
    device: str,
    progress: ProgressFile | None = None,
) -> str:
    """Rows `start` to `stop` of a split: prompts, log P of every word after each, one file. Returns its name."""
    spec = step.spec
    words = word_ids(model, spec, home)
    rows = prompt_rows(home, spec, slice(start, stop))
    fields = [dict(each) for each in rows["fields"].to_pylist()]
    chunked = make_prompts(home, model, spec, fields, reserved=max(map(len, words)))
    token_ids = chunked.prompts.token_ids
    with inference():
        network = loaded_causal(model, home, spec.dtype, device)
        began = time.perf_counter()
        advance = in_texts(progress, stop - start, len(token_ids))
        scores = chunked.average(score_words(network, token_ids, words, progress=advance).astype(np.float32))
        seconds = time.perf_counter() - began
    table = pa.table(
        {
            **prompt_columns(rows, chunked),
            SCORES: vectors(scores),
        }
    ).replace_schema_metadata({"seconds": f"{seconds:.3f}"})
    name = shard_name(start, stop)
    step.partition(Lake(home)).write_table(name, table)
    return name
