"""Examples to fine-tuned models and their predictions: one task a method, over its shots and seeds."""

import json

import numpy as np
from safetensors.numpy import save

from tasks.models.loaded import INFERENCE, label_ids, loaded
from tasks.models.prompts import encode
from tasks.steps.decorator import step_task
from tasks.steps.lake_reads import split_rows
from tasks.steps.predictions import prediction_rows, publish_predictions
from tasks.steps.step import Step
from vocabsem.adapters import tune
from vocabsem.cards.schema import DatasetCard, ModelCard
from vocabsem.methods.registry import build_adapter
from vocabsem.prompting import Ids
from vocabsem.shots import add_label_noise, choose_shots
from warehouse.home import Home
from warehouse.lake.partition import Lake

Rows = tuple[list[str], np.ndarray, list[Ids]]  # ids, labels (N,), prompts


@step_task(task_run_name="{method} on {dataset.name}")
def tune_method(
    home: Home,
    model: ModelCard,
    dataset: DatasetCard,
    method: str,
    steps: list[Step],
    device: str,
) -> list[str]:
    """Fine-tune, predict validation and test, and publish, at each number of shots. Returns the partitions' keys."""
    read = _read(home, model, dataset, steps[0])
    for step in steps:
        _tune(home, model, dataset, step, read, device)
    return [step.key for step in steps]


def _read(home: Home, model: ModelCard, dataset: DatasetCard, step: Step) -> dict[str, Rows]:
    manifest = Lake(home).partition("examples", step.inputs["examples"], dataset=dataset.name).manifest()
    assert manifest is not None
    read = {}
    for split in manifest.facts["rows"]:
        rows = split_rows(home, dataset.name, step.inputs["examples"], split)
        prompts = encode(home, model, dataset, step.payload, [dict(fields) for fields in rows["fields"].to_pylist()])
        read[split] = rows["id"].to_pylist(), rows["label"].to_numpy().astype(np.int64), prompts.token_ids
    return read


def _tune(home: Home, model: ModelCard, dataset: DatasetCard, step: Step, read: dict[str, Rows], device: str) -> None:
    specification, words = step.payload["method"], label_ids(model, dataset, home)
    train_ids, train_labels, train_prompts = read["train"]
    others = {split: rows for split, rows in read.items() if split != "train"}
    predictions, training, facts, calibrator = [], [], [], b""
    for seed in step.payload["seeds"]:
        on_insufficient = "use_all" if "scarce" in step.payload else "raise"
        chosen = choose_shots(
            train_labels, step.payload["shots"], seed, dataset.classes, on_insufficient=on_insufficient
        )
        training += [(seed, train_ids[row]) for row in chosen]
        with INFERENCE:
            tuned = tune(
                loaded(model, home, step.payload["dtype"], device),
                [train_prompts[row] for row in chosen],
                add_label_noise(train_labels[chosen], specification.get("label_noise", 0), seed, dataset.classes),
                words,
                [prompts for _, _, prompts in others.values()],
                training=build_adapter(specification["method"], specification["params"]),
                random_state=seed,
                temperature=step.payload.get("temperature", False),
            )
        for (split, (ids, labels, _)), probabilities in zip(others.items(), tuned.probabilities, strict=True):
            predictions.append(prediction_rows(split, seed, ids, labels, probabilities))
        facts.append({"seed": seed, "fit_seconds": round(tuned.seconds, 4)} | tuned.facts)
        calibrator = calibrator or save(tuned.weights, {"adapter_config": json.dumps(tuned.config)})
    publish_predictions(home, step, predictions, training, calibrator, facts)
