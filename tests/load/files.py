"""A CSV file of any length through `init-dataset` and `predict`: what they hold does not grow with it.

`python -m tests.load.files [ROWS ...]` prints the peak memory and the seconds of each.
"""

import csv
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from flows.services.environment import set_environment
from tasks.batch_predict import make_job, predict_file, validate_input
from tasks.log_run import _register
from tasks.tracking.active_run import open_run
from tasks.views.dataset_draft import read_draft
from tests.load.large import measured
from tests.tasks.worlds import World, compute, with_store
from tests.vocabsem.architectures import WORDS
from vocabsem.cards.schema import DatasetCard
from vocabsem.datasets.examples import divide

CARD = {"methods": ["centroid"], "shots": [4], "seeds": [0]}
CLASSES = ("negative", "positive", "story")
MODEL = "vocabsem-made"


def with_model(folder: Path) -> World:
    """Return a world that has a registered model."""
    world = with_store(World(folder, experiment=CARD))
    plan = world.plan()
    compute(plan)
    _register(plan.home, open_run(plan.home, {"name": "tiny", "description": ""}, {}), 16, *plan.fits)
    return world


def write_csv(path: Path, rows: int) -> Path:
    """Write distinct sentences, each with a class."""
    rng, words = np.random.default_rng(rows), np.array(WORDS.split())
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for start in range(0, rows, 1000):
            count = min(1000, rows - start)
            picked = words[rng.integers(len(words), size=(count, 8))]
            writer.writerows([f"{' '.join(each)} {start + i}", CLASSES[i % 3]] for i, each in enumerate(picked))
    return path


def commands(world: World, path: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what `init-dataset` and `predict` do with a file; the few rows that a model reads for the former aside."""

    def draft() -> None:
        read = read_draft({"all": path}, "text", "label", "mine")
        divide(DatasetCard.model_validate(read.card(list(CLASSES))), read.files, world.home.cache)

    def predict() -> None:
        job = make_job(world.home, MODEL, str(path), str(path.with_suffix(".scored.csv")))
        predict_file.fn(world.home, job, *validate_input(job))

    yield "init-dataset", draft
    yield "predict", predict


def main(sizes: list[int]) -> None:
    sys.stdout.write("| what | rows | MB | s |\n|---|---|---|---|\n")
    with tempfile.TemporaryDirectory(prefix="files-") as folder:
        world = World(Path(folder), experiment=CARD)
        measured(lambda: with_model(Path(folder)))
        for rows in sizes:
            path = write_csv(Path(folder) / f"rows-{rows}.csv", rows)
            for name, work in commands(world, path):
                peak, seconds = measured(work)
                sys.stdout.write(f"| {name} | {rows:,} | {peak:,.0f} | {seconds:,.0f} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="files-home-") as home:
        set_environment(home)
        main([int(rows) for rows in sys.argv[1:]] or [30_000, 300_000])
