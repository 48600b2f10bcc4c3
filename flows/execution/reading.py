"""Read the data sets of a plan before it is run, so that its prompts can be counted. Nothing is published."""

from collections.abc import Mapping

import numpy as np

from flows.execution.activity import activity
from flows.planning.cost import Lengths
from flows.planning.plan import ModelDatasetPlan, Plan, make_plan
from vocabsem.datasets.examples import read_examples
from vocabsem.errors import VocabsemError
from vocabsem.sources.readers import fetch_files
from warehouse.home import Home


def read_data(plan: Plan) -> tuple[Plan, Lengths, list[str]]:
    """Fetch and read what no run has read yet.

    Returns the plan that is known then, the characters of each text by key of the examples and split, and what could
    not be read. Steps of models that were never fetched are planned under keys that are not theirs.
    """
    lengths: Lengths = {}
    failed: dict[str, str] = {}
    if plan.home.read_only:
        return plan, lengths, []
    for card in (card.located(plan.data_dir) for card in plan.experiment.dataset_cards()):
        if any(source in plan.unfetched for source in card.files.values()):
            try:
                with activity(f"fetching {card.name}"):
                    fetch_files(card, plan.home.cache)
            except VocabsemError as error:
                failed[card.name] = str(error)
    if plan.unfetched:
        plan = make_plan(plan.experiment, plan.home, plan.data_dir, placeholders=True)
    for pair in plan.pairs:
        if not (pair.examples.key in lengths or pair.dataset.name in failed or plan.published(pair.examples)):
            try:
                with activity(f"reading {pair.dataset.name}"):
                    lengths[pair.examples.key] = _lengths(plan.home, pair)
            except VocabsemError as error:
                failed[pair.dataset.name] = str(error)
    return plan, lengths, [f"{name}: {reason}" for name, reason in failed.items()]


def _lengths(home: Home, pair: ModelDatasetPlan) -> Mapping[str, np.ndarray]:
    card, limits = pair.dataset, pair.examples.spec.limits
    examples = read_examples(card, fetch_files(card, home.cache), limits=limits, cache=home.cache / "datasets")
    characters = np.array([sum(map(len, fields.values())) for fields in examples.fields])
    splits = np.array(examples.split)
    return {split: characters[splits == split] for split in dict.fromkeys(examples.split)}
