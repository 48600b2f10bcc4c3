"""`watch`: have the sources of an experiment's data sets changed since their examples were read?"""

from typing import Any

from prefect import flow, get_run_logger

from flows.execution.events import tell_source
from flows.planning.experiment import load_experiment
from flows.planning.plan import find_data_dir, source_hashes
from tasks.steps.specs import ExamplesSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard
from vocabsem.errors import DownloadFailed
from vocabsem.sources import fetching
from warehouse.home import Home
from warehouse.lake.partition import Lake


@flow(name="watch", log_prints=True)
def watch(
    experiments: list[str] | None = None,
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> list[str]:
    """Tell, by an event, of every data set whose source has other bytes than those its examples were read from.

    Local files are hashed when their size or time changed; the hub is asked for the commit of a moving revision, and
    what moved is fetched. What a card pins by its sha256 cannot change. A data set that was never read is left alone.
    It is told again each time until its examples are there. Returns the names of the data sets.

    Args:
        experiments: Names in data/experiments, or paths of cards; the quickstart if empty.
        overrides: Keys of the cards, dotted, with new values.
        home: Where data rests; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
    """
    place, folder, changed = Home.find(home), find_data_dir(data_dir), []
    for name in experiments or ["quickstart"]:
        experiment = load_experiment(name, overrides)
        for entry, card in zip(experiment.datasets, experiment.dataset_cards(), strict=True):
            card = card.located(folder)
            _refresh(place, card)
            hashes = {split: value for split, value in source_hashes(card, place).items() if value}
            limits = experiment.limits.model_dump()
            step = Step(ExamplesSpec(dataset=card.name, card=card.content(), hashes=hashes, limits=limits))
            if len(hashes) == len(card.files) and other_bytes(place, step):
                # under a name of its own, or its leaderboard would hide that of the other data sets
                only = {"datasets": [entry], "name": f"{experiment.name}-{card.name}"}
                asked = {"experiment": name, "overrides": (overrides or {}) | only, "home": home, "data_dir": data_dir}
                tell_source(card.name, asked)
                get_run_logger().info(f"{card.name} of {experiment.name}: its source has changed")
                changed.append(card.name)
    return changed


def other_bytes(home: Home, step: Step[ExamplesSpec]) -> bool:
    """Whether these examples were read before, in just this way, but from other bytes."""
    if step.partition(Lake(home)).published:
        return False
    earlier = [found.payload for found in Lake(home).manifests("examples") if found.coordinates == step.coordinates]
    return any({**payload, "hashes": None} == {**step.payload, "hashes": None} for payload in earlier)


def _refresh(home: Home, card: DatasetCard) -> None:
    for split, source in card.files.items():
        if split not in card.sha256:
            try:
                fetching.refresh(source, home.cache)
            except DownloadFailed as error:
                get_run_logger().warning(str(error))
