"""A card's bytes: downloaded where they are not cached."""

from collections.abc import Sequence
from pathlib import Path

from tasks.models.loaded import label_ids, word_ids
from tasks.steps.decorator import step_task
from tasks.steps.specs import WordScoresSpec
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.errors import DownloadInterrupted
from vocabsem.models.checkpoints import fetch_checkpoint
from vocabsem.sources.readers import fetch_files
from warehouse.home import Home


@step_task(task_run_name="fetch {card.name}", retry_on=(DownloadInterrupted,))
def fetch_card(
    home: Home,
    card: ModelCard | DatasetCard,
    datasets: Sequence[DatasetCard] = (),
    scored: Sequence[WordScoresSpec] = (),
) -> dict[str, Path]:
    """Fetch the files of each split of a data set, or convert a model and check the label words of `datasets`, and
    those that are `scored` at any length.

    Returns the files by split; none for a model. Raises LabelWordError.
    """
    if isinstance(card, ModelCard):
        fetch_checkpoint(card, home.cache)
        for dataset in datasets:
            label_ids(card, dataset, home)
        for spec in scored:
            word_ids(card, spec, home)
        return {}
    return fetch_files(card, home.cache)
