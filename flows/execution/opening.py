"""A flow's parameters to its plan: made once a command, and again after a fetch, which makes the keys known."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from prefect import get_run_logger

from flows.execution.activity import activity
from flows.execution.failures import attempt
from flows.execution.flow_run import tag_run
from flows.planning.data_dir import find_data_dir
from flows.planning.plan import Plan, make_plan
from flows.planning.variants import load_variant
from tasks.fetch import fetch_card
from vocabsem.cards.schema import DatasetCard
from vocabsem.errors import DownloadFailed
from vocabsem.sources import fetching
from warehouse.home import Home

_known: ContextVar[Plan | None] = ContextVar("plan", default=None)


@contextmanager
def known(plan: Plan | None) -> Iterator[None]:
    """Let the flow of a command that has planned already use its plan."""
    token = _known.set(plan)
    try:
        yield
    finally:
        _known.reset(token)


def plan_from_parameters(
    experiment: str, overrides: dict[str, Any] | None, home: str | None, data_dir: str | None, refresh: bool = False
) -> Plan:
    """Read and validate the card, fetch the sources that keys depend on, and return the plan.

    refresh: look first whether the sources of data sets that can change have changed, unless the plan is known.
    """
    plan = _plan(experiment, overrides, home, data_dir, refresh)
    tag_run(plan)
    return plan


def _plan(
    experiment: str, overrides: dict[str, Any] | None, home: str | None, data_dir: str | None, refresh: bool
) -> Plan:
    card, root, folder = load_variant(experiment, overrides), Home.find(home), find_data_dir(data_dir)
    datasets = [dataset.located(folder) for dataset in card.dataset_cards()]
    plan = _known.get()
    if plan is None or (plan.experiment, plan.home, plan.data_dir) != (card, root, folder):
        for dataset in datasets if refresh else []:
            refresh_sources(root, dataset)
        plan = make_plan(card, root, folder)
    if not plan.unfetched:
        return plan
    for model in card.model_cards(root.cache):
        with attempt(model=model.name), activity(f"fetching {model.name}"):
            fetch_card.submit(root, model).result()
    for dataset in datasets:
        with attempt(dataset=dataset.name), activity(f"fetching {dataset.name}"):
            fetch_card.submit(root, dataset).result()
    return make_plan(card, root, folder)


def refresh_sources(home: Home, card: DatasetCard) -> None:
    """Fetch the hub sources of the data set whose revision has moved to another commit.

    A source that its card pins by sha256, one that was never fetched and all while the hub does not answer stay as
    they are. Local files need no refresh: they are hashed when their size or time changed.
    """
    for split, source in card.files.items():
        if split not in card.sha256:
            try:
                fetching.refresh(source, home.cache)
            except DownloadFailed as error:
                get_run_logger().warning(str(error))
