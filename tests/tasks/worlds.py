"""A whole small world on disk: a tiny model, made sentences, an experiment; and one Prefect server for all tests."""

import atexit
import json
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # read once, when Prefect is imported

from flows.planning.experiment import load_experiment
from flows.planning.plan import ModelDatasetPlan, Plan, make_plan
from tasks.anchors import build_anchors
from tasks.comparisons import compare
from tasks.demonstrations import publish_demonstrations
from tasks.examples import build_examples
from tasks.fetch import fetch_card
from tasks.fits import fit_method
from tasks.metrics import score
from tasks.publish_states import publish_states
from tasks.publish_word_scores import publish_word_scores
from tasks.states import extract_shard
from tasks.steps.lake_reads import prompt_count
from tasks.steps.shards import shards
from tasks.steps.specs import TextFitSpec
from tasks.steps.step import PlannedFit
from tasks.text_fits import fit_text_method
from tasks.tracking.store import store
from tasks.word_scores import score_shard
from tests.vocabsem.architectures import WORDS, save
from vocabsem.cards.schema import ModelCard
from warehouse.home import Home

TOPICAL = {"neg": ["bad", "dull", "moving"], "pos": ["good", "great", "plot"], "tale": ["story", "plot", "film"]}
LABELS = [
    {"name": "neg", "value": "neg", "word": "bad"},
    {"name": "pos", "value": "pos", "word": "positive"},
    {"name": "tale", "value": "tale", "word": "story"},
]
METHODS = [
    "zero_shot",
    "anchor_similarity",
    {"method": "paper_calibrator", "params": {"epochs": 2}},
    {"method": "vocabulary_calibrator"},
    {"method": "vocabulary_calibrator", "params": {"targets": "random"}},
    "centroid",
    {"method": "k_neighbors", "params": {"n_neighbors": 3}},
    {"method": "linear_probe", "control": True},
]
Row = dict[str, str]
SPLITS = {"train": 60, "validation": 20, "test": 24}


def sentences(seed: int = 0) -> list[Row]:
    """Distinct sentences, a third of each class, as rows of the source files; a few words determine the class."""
    rng, words = np.random.default_rng(seed), WORDS.split()
    seen: set[str] = set()
    rows: list[Row] = []
    while len(rows) < SPLITS["train"] + SPLITS["validation"] + SPLITS["test"]:
        label = list(TOPICAL)[len(rows) % 3]
        body = [*rng.choice(words, rng.integers(3, 9)), *rng.choice(TOPICAL[label], 3)]
        text = " ".join(rng.permutation(body))
        if text not in seen:
            seen.add(text)
            rows.append({"text": text, "label": label})
    return rows


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def dataset_card(folder: Path, **changes: Any) -> dict[str, Any]:
    card = {
        "name": "made",
        "description": "made sentences",
        "license": "CC0-1.0",
        "files": {split: f"file:{folder / split}.jsonl" for split in ("train", "test")},
        "format": "jsonl",
        "fields": {"text": "text"},
        "label_column": "label",
        "labels": LABELS,
        "template": "review : {text} sentiment :",
        "split": {"validation": 0.25},
    }
    return {key: value for key, value in (card | changes).items() if value is not ...}


def experiment_card(folder: Path, **changes: Any) -> dict[str, Any]:
    card = {
        "name": "tiny",
        "description": "a tiny world",
        "models": [str(folder / "model.yaml")],
        "datasets": [str(folder / "dataset.yaml")],
        "methods": METHODS,
        "shots": [0, 1, 4, "all"],
        "seeds": [0, 1],
        "dtype": "float32",
        "device": "cpu",
        "shard_rows": 16,
        "champion": True,
    }
    return {key: value for key, value in (card | changes).items() if value is not ...}


def write_card(path: Path, card: Mapping[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(card, sort_keys=False))
    return path


@cache
def model() -> ModelCard:
    """The card of one tiny model, made once a session."""
    folder = TemporaryDirectory(prefix="tiny-model-")
    atexit.register(folder.cleanup)
    return save("llama", Path(folder.name))


class World:
    """Cards, rows and a home in `folder`."""

    def __init__(
        self,
        folder: Path,
        dataset: Mapping[str, Any] | None = None,
        experiment: Mapping[str, Any] | None = None,
        rows: Sequence[Row] | None = None,
    ) -> None:
        self.folder, self.home = Path(folder), Home(Path(folder) / "home")
        rows = sentences() if rows is None else rows
        write_rows(self.folder / "train.jsonl", rows[: -SPLITS["test"]])
        write_rows(self.folder / "test.jsonl", rows[-SPLITS["test"] :])
        write_card(self.folder / "model.yaml", model().model_dump(mode="json"))
        self.write_dataset(**(dataset or {}))
        self.write_experiment(**(experiment or {}))

    @property
    def card(self) -> str:
        return str(self.folder / "experiment.yaml")

    def write_dataset(self, **changes: Any) -> Path:
        return write_card(self.folder / "dataset.yaml", dataset_card(self.folder, **changes))

    def write_experiment(self, **changes: Any) -> Path:
        return write_card(self.folder / "experiment.yaml", experiment_card(self.folder, **changes))

    def write_study(self, study: str, **changes: Any) -> str:
        """The path of a new card, named made, of a study of the world's model and data set."""
        content = {"name": "made", "study": study, "description": "made sentences", "layers": "all", "device": "cpu"}
        cards = {"model": str(self.folder / "model.yaml"), "datasets": [str(self.folder / "dataset.yaml")]}
        draws = {"dtype": "float32", "resamples": 100, "null_draws": 20}
        return str(write_card(self.folder / "study.yaml", content | cards | draws | changes))

    def plan(self, **overrides: Any) -> Plan:
        return make_plan(load_experiment(self.card, overrides), self.home)


@cache
def _empty_store() -> Path:
    """MLflow's database as it is made by fifty migrations, which take seconds: made once a session."""
    folder = TemporaryDirectory(prefix="mlflow-")
    atexit.register(folder.cleanup)
    home = Home(Path(folder.name))
    with store(home):
        return home.mlflow


def with_store(world: World) -> World:
    """The world, its home with an empty MLflow store."""
    world.home.root.mkdir()
    shutil.copy(_empty_store(), world.home.root)
    return world


def replace_home(world: World, folder: Path) -> World:
    """The world with a copy of its home."""
    copy = World.__new__(World)
    copy.folder, copy.home = world.folder, Home(folder / "home")
    shutil.copytree(world.home.root, copy.home.root)
    return copy


def compute(
    plan: Plan, kinds: Collection[str] = ("examples", "anchors", "states", "predictions", "metrics", "comparisons")
) -> None:
    """Every task of the plan, called without Prefect and whether or not its partition is published."""
    for pair in plan.pairs:
        dataset, model = pair.dataset, pair.model
        if "examples" in kinds:
            build_examples.fn(plan.home, dataset, fetch_card.fn(plan.home, dataset), pair.examples)
        if "anchors" in kinds:
            build_anchors.fn(plan.home, model, pair.anchors, "cpu")
        if "states" in kinds:
            for demonstrations in pair.demonstrations.values():
                publish_demonstrations.fn(plan.home, model, dataset, demonstrations)
            for split, step in pair.states.items():
                extract(plan, pair, split)
                publish_states.fn(plan.home, step, SPLITS[step.spec.split], plan.experiment.shard_rows)
            for scores in pair.word_scores.values():
                rows, size = prompt_count(plan.home, scores.spec), plan.experiment.shard_rows
                for span in shards(rows, size):
                    score_shard.fn(plan.home, model, scores, *span, "cpu")
                publish_word_scores.fn(plan.home, model, scores, rows, size)
        for fit in pair.fits:
            if "predictions" in kinds:
                steps: list[Any] = [fit.predictions]
                if isinstance(fit.predictions.spec, TextFitSpec):
                    fit_text_method.fn(plan.home, dataset, fit.name, steps)
                else:
                    fit_method.fn(plan.home, model, dataset, fit.name, steps)
            if "metrics" in kinds:
                score.fn(plan.home, dataset.name, [(fit.predictions, fit.metrics)])
        if "comparisons" in kinds:
            compare.fn(plan.home, dataset.name, pair.compared)


def extract(plan: Plan, pair: ModelDatasetPlan, split: str, spans: Iterable[tuple[int, int]] | None = None) -> None:
    step = pair.states[split]
    for span in spans if spans is not None else shards(SPLITS[step.spec.split], plan.experiment.shard_rows):
        extract_shard.fn(plan.home, pair.model, pair.dataset, step, *span, "cpu")


def fit_of(plan: Plan, name: str, shots: int | str) -> PlannedFit:
    """The fit of a method, by its name in tables, at a number of shots."""
    return next(f for c in plan.pairs for f in c.fits if (f.name, f.shots) == (name, shots))


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every file below with its size and time of change."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def half_written(home: Home) -> list[Path]:
    """Files that no reader would look at: temporaries."""
    return [path for path in home.root.rglob("*.tmp-*") if "hub" not in path.parts]


@cache
def server() -> str:
    """The address of one Prefect server for all tests of the session, whose secret is in PREFECT_API_AUTH_STRING."""
    from flows.services.access import secret
    from flows.services.servers import ephemeral_server

    stack = ExitStack()
    atexit.register(stack.close)
    home = Home(Path(stack.enter_context(TemporaryDirectory(prefix="prefect-"))))
    os.environ["PREFECT_API_AUTH_STRING"] = secret(home)
    return stack.enter_context(ephemeral_server(home))


def login() -> tuple[str, str]:
    """What httpx sends to that server."""
    user, _, password = os.environ["PREFECT_API_AUTH_STRING"].partition(":")
    return user, password
