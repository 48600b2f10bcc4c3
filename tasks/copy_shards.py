"""Shards of the same prompts under another name of the data set, in place of computing them again."""

import pyarrow.parquet as pq

from tasks.steps.decorator import step_task
from tasks.steps.specs import SplitSpec
from tasks.steps.step import Step
from warehouse.home import Home
from warehouse.lake.partition import Lake


@step_task(task_run_name="copy {step.kind} {source.spec.dataset} to {step.spec.dataset} {step.spec.split}")
def copy_shards(home: Home, source: Step[SplitSpec], step: Step[SplitSpec]) -> None:
    """Write the shards of a published step to one of the same content, those that are not there, one at a time."""
    published, copied = source.partition(Lake(home)), step.partition(Lake(home))
    manifest = published.manifest()
    for entry in manifest.files if manifest else []:
        if entry.is_part and copied.finished(entry.name) is None:
            table = pq.read_table(published.file(entry.name), partitioning=None, page_checksum_verification=True)
            copied.write_table(entry.name, table)
