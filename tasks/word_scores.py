"""Score label words or options exactly after examples, one shard per task. Finished shards are kept after a kill."""

import time

import pyarrow as pa

from tasks.models.loaded import inference, loaded_causal
from tasks.models.prompts import prompt_columns
from tasks.models.questions import letter_questions, option_questions, word_questions
from tasks.steps.decorator import step_task
from tasks.steps.lake_reads import SCORES, prompt_rows
from tasks.steps.progress import ProgressFile, in_texts
from tasks.steps.shards import shard_name
from tasks.steps.specs import WordScoresSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import ModelCard
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
    """Rows `start` to `stop` of a split: prompts, log P of what is scored after each, one file. Returns its name."""
    spec = step.spec
    rows = prompt_rows(home, spec, slice(start, stop))
    ask = word_questions if not spec.options else letter_questions if spec.words else option_questions
    questions = ask(home, model, spec, rows)
    with inference():
        network = loaded_causal(model, home, spec.dtype, device)
        began = time.perf_counter()
        prompts = int(questions.chunked.sizes.sum())
        scores = questions.score(network, in_texts(progress, stop - start, prompts))
        seconds = time.perf_counter() - began
    table = pa.table(
        {
            **prompt_columns(rows, questions.chunked),
            SCORES: vectors(scores),
        }
    ).replace_schema_metadata({"seconds": f"{seconds:.3f}"})
    name = shard_name(start, stop)
    step.partition(Lake(home)).write_table(name, table)
    return name
