"""Read the data sets of a plan before it is run, so that its prompts can be counted."""

from flows.execution.activity import activity
from flows.planning.plan import Plan, make_plan
from tasks.examples import build_examples
from tasks.fetch import fetch_card
from vocabsem.errors import VocabsemError


def read_data(plan: Plan) -> tuple[Plan, list[str]]:
    """Fetch and read what no run has read yet, and return the plan that is known then, with what could not be read.

    The examples are published, as a run would: it goes on from there. In a home that cannot be written nothing is read.
    Steps of models that were never fetched are planned under keys that are not theirs.
    """
    if plan.home.read_only:
        return plan, []
    failed = {}
    for dataset in {card.name: card.located(plan.data_dir) for card in plan.experiment.dataset_cards()}.values():
        if any(source in plan.unfetched for source in dataset.files.values()):
            with activity(f"fetching {dataset.name}"):
                try:
                    fetch_card.fn(plan.home, dataset)
                except VocabsemError as error:
                    failed[dataset.name] = str(error)
    if plan.unfetched:
        plan = make_plan(plan.experiment, plan.home, plan.data_dir, placeholders=True)
    for pair in plan.pairs:
        if pair.dataset.name not in failed and not plan.published(pair.examples):
            with activity(f"reading {pair.dataset.name}"):
                try:
                    build_examples.fn(plan.home, pair.dataset, fetch_card.fn(plan.home, pair.dataset), pair.examples)
                except VocabsemError as error:
                    failed[pair.dataset.name] = str(error)
    return plan, [f"{name}: {reason}" for name, reason in failed.items()]
