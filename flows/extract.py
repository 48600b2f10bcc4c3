"""Examples and hidden states of an experiment."""

from typing import Any

from prefect import flow

from flows.execution.flow_run import run_name
from flows.execution.opening import plan_from_parameters
from flows.execution.stages import build_datasets, extract_states, raise_refusals
from flows.execution.workers import started


@flow(name="extract", flow_run_name=run_name, log_prints=True)
def extract(
    experiment: str = "quickstart",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> list[str]:
    """Store the hidden states of every model on every data set of the card. Returns the keys of their partitions.

    Raises CheckFailed, when all else is done.

    Args:
        experiment: Name of an experiment card, or its path.
        overrides: Keys of the card, dotted, with new values.
        home: Folder of all data; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
    """
    plan = plan_from_parameters(experiment, overrides, home, data_dir)
    with started(plan):
        build_datasets(plan)
        keys = extract_states(plan)
    raise_refusals(plan, "examples", "states", "word_scores")
    return keys
