"""How many rows of a model's head can be read from its files."""

from tasks.models.loaded import head_in_files
from tasks.steps.decorator import step_task
from vocabsem.cards.schema import ModelCard
from warehouse.home import Home


@step_task(task_run_name="head of {model.name}")
def count_head_rows(home: Home, model: ModelCard) -> int | None:
    """Return the number of tokens of the head; None where the model has to be loaded for it."""
    stored = head_in_files(model, home)
    return stored.head.tokens if stored else None
