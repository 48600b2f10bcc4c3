"""SetFit, which trains MiniLM itself on a few labels, against the calibrator on states of frozen models.

Its own defaults: 20 pairs of the same and 20 of different classes for each labeled text, one epoch, a logistic head.
All read the same words of the same texts, and the same labels; the calibrator also learns from the other training
texts, but for the row that says without. Seconds are the processor's.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks import MODEL, Row, Setting
from vocabsem.cards.loader import load_card
from vocabsem.datasets.examples import read_examples
from vocabsem.datasets.shots import choose_shots
from vocabsem.evaluation.metrics import evaluate
from vocabsem.methods import VocabularyCalibrator
from vocabsem.models.checkpoints import fetch_checkpoint
from vocabsem.sources.readers import fetch_files
from vocabsem.text_models.text_states import TextStates

ENCODER = "minilm-l6"
DATASETS = ("rotten_tomatoes", "bbc_news")
SHOTS, SEEDS = (4, 16), (0, 1, 2)
LIMITS = {"train": 500, "validation": 10, "test": 300}
WORDS = 32  # of a text, its first ones
LAYERS = ("0.5:mean", "0.7:mean", "last")
ITERATIONS, BATCH = 20, 16
METRICS = ("accuracy", "macro_f1")


@dataclass(frozen=True)
class Split:
    """Texts and labels of a data set."""

    words: dict[str, str]
    template: str
    train: list[str]
    labels: np.ndarray
    test: list[str]
    expected: np.ndarray


def measure(setting: Setting) -> Iterator[Row]:
    if not find_spec("setfit"):
        sys.stderr.write("setfit: it is not installed; make bench installs it\n")
        return
    for name in DATASETS:
        split = read(setting, name)
        ours = [calibrated(setting, model, split) for model in (ENCODER, MODEL)]
        fits = {ENCODER: ours[0], f"{ENCODER} without other texts": partial(ours[0], alone=True), MODEL: ours[1]}
        for shots in SHOTS:
            chosen = [choose_shots(split.labels, shots, seed, len(split.words)) for seed in SEEDS]
            theirs = mean([trained(setting, split, rows, seed) for seed, rows in zip(SEEDS, chosen, strict=True)])
            for read_from, fit in fits.items():
                result = mean([fit(rows) for rows in chosen])
                what = f"{name}, {shots} labels per class, calibrator on {read_from}"
                for metric in METRICS:
                    yield Row(f"{what}: {metric}", result[metric], "SetFit on MiniLM", theirs[metric], "", "")
                yield Row(f"{what}: texts to answers", result["s"], "SetFit on MiniLM", theirs["s"], "CPU s", "")


def mean(results: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in results])) for name in results[0]}


def read(setting: Setting, name: str) -> Split:
    card = load_card("datasets", name)
    files = fetch_files(card, setting.home.cache)
    examples = read_examples(card, files, limits=LIMITS, cache=setting.home.cache / "datasets")
    texts, labels = np.array([first_words(row["text"]) for row in examples.fields]), np.asarray(examples.labels)
    split = np.array(examples.split)
    train, test = split == "train", split == "test"
    words = {label.name: label.word for label in card.labels}
    return Split(words, card.template, texts[train].tolist(), labels[train], texts[test].tolist(), labels[test])


def first_words(text: str) -> str:
    return " ".join(text.split()[:WORDS])


def calibrated(setting: Setting, model: str, split: Split) -> Callable[..., dict[str, float]]:
    """Return how labeled rows become metrics and seconds, which include reading the states that are needed."""
    reader = TextStates(model, split.template, split.words, layers=LAYERS, cache=setting.home.cache)
    space = reader.label_space()
    reader.transform(split.test[:8])
    began = time.process_time()
    train, test = reader.transform(split.train), reader.transform(split.test)
    each = (time.process_time() - began) / (len(train) + len(test))

    def fit(rows: np.ndarray, alone: bool = False) -> dict[str, float]:
        began = time.process_time()
        method = VocabularyCalibrator(space, layers=len(LAYERS))
        method.fit(train[rows], split.labels[rows], unlabeled=None if alone else train)
        probabilities = method.predict_proba(test)
        read = each * (len(test) + (len(rows) if alone else len(train)))
        return evaluate(split.expected, probabilities) | {"s": read + time.process_time() - began}

    return fit


def trained(setting: Setting, split: Split, rows: np.ndarray, seed: int) -> dict[str, float]:
    """Train SetFit on the labeled rows and return its metrics and seconds."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    folder = Path(fetch_checkpoint(load_card("models", ENCODER), setting.home.cache)[0])
    labeled = {"text": [split.train[row] for row in rows], "label": split.labels[rows].tolist()}
    with tempfile.TemporaryDirectory(prefix="bench-") as output:
        model = SetFitModel.from_pretrained(str(folder), local_files_only=True)
        arguments = TrainingArguments(
            output_dir=output,
            num_iterations=ITERATIONS,
            num_epochs=1,
            batch_size=BATCH,
            seed=seed,
            save_strategy="no",
            report_to="none",
        )
        began = time.process_time()
        Trainer(model=model, args=arguments, train_dataset=Dataset.from_dict(labeled)).train()
        probabilities = np.asarray(model.predict_proba(split.test, show_progress_bar=False), np.float64)
        return evaluate(split.expected, probabilities) | {"s": time.process_time() - began}
