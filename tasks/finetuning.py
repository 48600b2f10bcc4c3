"""Examples to fine-tuned models and their predictions: one task a method, over its shots and seeds."""

import json

import numpy as np
from safetensors.numpy import save

from tasks.models.extensions import method_name
from tasks.models.loaded import inference, label_ids, loaded_causal
from tasks.models.prompts import encode_fields
from tasks.steps.decorator import step_task
from tasks.steps.facts import SeedFacts
from tasks.steps.lake_reads import split_rows, split_sizes
from tasks.steps.predictions import prediction_rows, publish_predictions
from tasks.steps.progress import ProgressFile
from tasks.steps.specs import AdapterFitSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.datasets.shots import add_label_noise, choose_shots
from vocabsem.methods.registry import build_adapter
from vocabsem.prompts.prompting import Ids
from vocabsem.text_models.fine_tuning import tune
from warehouse.home import Home

PromptRows = tuple[list[str], np.ndarray, list[Ids]]  # ids, labels (N,), prompts


@step_task(task_run_name="{method} on {dataset.name}")
def tune_method(
    home: Home,
    model: ModelCard,
    dataset: DatasetCard,
    method: str,
    steps: list[Step[AdapterFitSpec]],
    device: str,
    progress: ProgressFile | None = None,
) -> list[str]:
    """Fine-tune, predict validation and test, and publish, at each number of shots. Returns the partitions' keys."""
    read = _read(home, model, steps[0].spec)
    for step in steps:
        _tune(home, model, dataset, step, read, device)
        if progress:
            progress.advance(1)
    return [step.key for step in steps]


def _read(home: Home, model: ModelCard, spec: AdapterFitSpec) -> dict[str, PromptRows]:
    read = {}
    for split in split_sizes(home, spec.dataset, spec.examples):
        rows = split_rows(home, spec.dataset, spec.examples, split, ["id", "label", "fields"])
        prompts = encode_fields(home, model, [dict(fields) for fields in rows["fields"].to_pylist()], spec).prompts
        read[split] = rows["id"].to_pylist(), rows["label"].to_numpy().astype(np.int64), prompts.token_ids
    return read


def _tune(
    home: Home,
    model: ModelCard,
    dataset: DatasetCard,
    step: Step[AdapterFitSpec],
    read: dict[str, PromptRows],
    device: str,
) -> None:
    spec, words = step.spec, label_ids(model, dataset, home)
    train_ids, train_labels, train_prompts = read["train"]
    others = {split: rows for split, rows in read.items() if split != "train"}
    predictions, training, facts, calibrator = [], [], [], b""
    for seed in spec.seeds:
        chosen = choose_shots(train_labels, spec.shots, seed, dataset.classes, on_insufficient=spec.on_insufficient)
        training += [(seed, train_ids[row]) for row in chosen]
        with inference():
            tuned = tune(
                loaded_causal(model, home, spec.dtype, device),
                [train_prompts[row] for row in chosen],
                add_label_noise(train_labels[chosen], spec.method.label_noise, seed, dataset.classes),
                words,
                [prompts for _, _, prompts in others.values()],
                training=build_adapter(method_name(home, spec.method), spec.method.params),
                random_state=seed,
                temperature=bool(spec.temperature),
            )
        for (split, (ids, labels, _)), probabilities in zip(others.items(), tuned.probabilities, strict=True):
            predictions.append(prediction_rows(split, seed, ids, labels, probabilities))
        facts.append(SeedFacts(seed=seed, fit_seconds=round(tuned.seconds, 4), **tuned.facts))
        calibrator = calibrator or save(tuned.weights, {"adapter_config": json.dumps(tuned.config)})
    publish_predictions(home, step, predictions, training, calibrator, facts)
