"""A flow's parameters to its plan, once a command."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from flows.planning.experiment import load_experiment
from flows.planning.plan import Plan, find_data_dir, make_plan
from tasks.fetch import fetch_card
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
    experiment: str, overrides: dict[str, Any] | None, home: str | None, data_dir: str | None
) -> Plan:
    """Read and validate the card, fetch the sources that keys depend on, and return the plan."""
    card, root, folder = load_experiment(experiment, overrides), Home.find(home), find_data_dir(data_dir)
    plan = _known.get()
    if plan is None or (plan.experiment, plan.home, plan.data_dir) != (card, root, folder):
        plan = make_plan(card, root, folder)
    if not plan.unfetched:
        return plan
    for model in card.model_cards():
        fetch_card.submit(root, model).result()
    for dataset in card.dataset_cards():
        fetch_card.submit(root, dataset.located(folder)).result()
    return make_plan(card, root, folder)
