"""Fine-tuning by adapters on prompts with labels: the methods for which the model is not frozen.

The adapters are peft's: LoRA (Hu et al. 2022) and (IA)³ (Liu et al. 2022).

The answer is chosen among the label tokens: cross-entropy of their logits alone at the last prompt token, AdamW without
decay, gradients clipped at norm 1, a rate that falls linearly to zero (the defaults of transformers' Trainer). It runs
without dropout and without padding masks, as extraction does.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax

from vocabsem.batching import padded
from vocabsem.errors import TrainingFailed
from vocabsem.extraction import extract
from vocabsem.language_model import Head, LanguageModel
from vocabsem.methods.base import Ints, check_labels
from vocabsem.methods.info import Background
from vocabsem.temperature import fit_temperature

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

Prompt = Sequence[int]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class AdapterTraining:
    """How an adapter is trained. A subclass says what the adapter is, by `peft_config`."""

    name: ClassVar[str]
    family: ClassVar[Literal["adapters"]] = "adapters"
    revision: ClassVar[int] = 1
    needs_labels: ClassVar[bool] = True
    works_without_labels: ClassVar[bool] = False
    trains: ClassVar[bool] = True
    temperature_folds: ClassVar[int] = 5
    fixed_width: ClassVar[bool] = True
    takes_layers: ClassVar[bool] = False
    takes_random_state: ClassVar[bool] = False
    reads_vocabulary: ClassVar[bool] = False
    background: ClassVar[Background] = "train"
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    positive: ClassVar[tuple[str, ...]] = (
        *("steps", "stops", "learning_rates", "batch_size", "validation_fraction", "max_validation_rows"),
    )

    steps: int = 200
    """Steps of training at most; the learning rate would be zero after the last."""
    stops: int = 5
    """Places, even over the steps, where training may end."""
    learning_rates: Sequence[float]
    """Of which one is chosen; the middle one without data to choose by."""
    batch_size: int = 16
    """Prompts a step."""
    validation_fraction: float = 0.2
    """Share of the training rows that choose the learning rate and the end."""
    max_validation_rows: int = 256
    """But no more than these."""

    def peft_config(self, model: LanguageModel) -> "PeftConfig":
        """Return peft's configuration of the adapter for a model."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class LoRA(AdapterTraining):
    """x ↦ W x + α/r · B A x, A (r, d) random and B (d, r) zero at first (Hu et al. 2022)."""

    name: ClassVar[str] = "lora"
    positive: ClassVar[tuple[str, ...]] = (*AdapterTraining.positive, "rank", "alpha")

    learning_rates: Sequence[float] = (3e-4, 1e-3, 3e-3)
    rank: int = 8
    """r."""
    alpha: int = 16
    """α."""

    def peft_config(self, model: LanguageModel) -> "PeftConfig":
        from peft import LoraConfig
        from peft.utils import constants

        known = constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
        modules = None if model.network.config.model_type in known else "all-linear"
        return LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=0.0, target_modules=modules, **_common(model)
        )


@dataclass(frozen=True, kw_only=True)
class IA3(AdapterTraining):
    """Keys, values and the inner layer of each MLP times a learned vector, 1 at first (Liu et al. 2022)."""

    name: ClassVar[str] = "ia3"

    learning_rates: Sequence[float] = (3e-3, 1e-2, 3e-2)

    def peft_config(self, model: LanguageModel) -> "PeftConfig":
        from peft import IA3Config
        from peft.utils import constants

        if model.network.config.model_type in constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING:
            return IA3Config(**_common(model))
        return IA3Config(target_modules="all-linear", feedforward_modules=[], **_common(model))


def _common(model: LanguageModel) -> dict[str, Any]:
    from transformers.pytorch_utils import Conv1D

    transposed = any(isinstance(module, Conv1D) for module in model.network.modules())
    return {"task_type": "CAUSAL_LM", "fan_in_fan_out": transposed}


@dataclass(frozen=True, eq=False)
class Tuned:
    """What tuning gave. The model itself is as it was."""

    probabilities: list[NDArray[np.float64]]
    """(M, C) of each list of prompts that was asked for."""
    weights: dict[str, NDArray[np.float32]]
    """The adapter, under peft's names."""
    config: dict[str, Any]
    """peft's configuration of it."""
    facts: dict[str, Any]
    """learning_rate and steps as chosen, rows held out to choose them, parameters trained, temperature."""
    seconds: float
    """Of training, choosing included."""


def tune(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    labels: ArrayLike,
    label_ids: Sequence[Sequence[int]],
    others: Sequence[Sequence[Prompt]],
    *,
    training: AdapterTraining,
    random_state: int = 0,
    temperature: bool = False,
    progress: Progress = lambda prompts, tokens: None,
) -> Tuned:
    """Train an adapter on N prompts of token ids with labels (N,), and give each of `others` its probabilities.

    label_ids: the tokens of each of the C label words, whose logits are averaged. The learning rate, and after how many
    of the steps training ends, are those of the lowest loss on a fifth of the rows, stratified, when trained on the
    others; then all rows train anew. Where a class has a single row the middle of rates and ends are taken.
    `temperature`: divide the logits by the one that suits the rows held out (1 where there are none).
    The same random state gives the same result. `progress` receives the prompts and tokens of each batch.
    Raises DataError for labels that cannot be used, TrainingFailed where the loss is not finite.
    """
    began = time.perf_counter()
    y, head = check_labels(labels, len(prompts), len(label_ids), training.name), label_head(model, label_ids)
    steps, stops, rates = training.steps, training.stops, sorted(training.learning_rates)
    ends = sorted({max(1, round(steps * part / stops)) for part in range(1, stops + 1)})
    rate, end = rates[len(rates) // 2], ends[len(ends) // 2]
    needed = len(rates) * len(ends) > 1 or temperature
    held_out = np.zeros(len(y), bool)
    if needed:
        limits = training.validation_fraction, training.max_validation_rows
        held_out = held_out_rows(y, np.random.default_rng(random_state), *limits)
    divisor = 1.0

    def train(adapter: "PeftModel", rows: Ints, rate: float) -> Iterator[int]:
        data, generator = [prompts[row] for row in rows.tolist()], np.random.default_rng(random_state)
        batches = random_batches(len(data), training.batch_size, generator)
        return _train(model, adapter, head, data, y[rows], rate, steps, batches, progress)

    if held_out.any():
        rows, unseen = np.flatnonzero(~held_out), np.flatnonzero(held_out).tolist()
        answers: dict[tuple[float, int], NDArray[np.float64]] = {}  # (unseen, C) logarithms of probabilities
        for candidate in rates:
            with adapted(model, training, random_state) as adapter:
                for done in train(adapter, rows, candidate):
                    if done in ends:
                        held = [prompts[row] for row in unseen]
                        answers[candidate, done] = _log_probabilities(model, head, held, progress)
        rate, end = max(answers, key=lambda chosen: answers[chosen][np.arange(len(unseen)), y[unseen]].mean())
        divisor = fit_temperature(y[unseen], answers[rate, end]) if temperature else 1.0
    with adapted(model, training, random_state) as adapter:
        next(done for done in train(adapter, np.arange(len(y)), rate) if done == end)
        seconds = time.perf_counter() - began
        found = (_log_probabilities(model, head, each, progress) for each in others)
        probabilities = [np.asarray(softmax(log_p / divisor, axis=1)) for log_p in found]
        weights, config = as_stored(adapter, model.name)
    facts = {"learning_rate": rate, "steps": end, "held_out": int(held_out.sum()), "temperature": divisor}
    facts["parameters"] = sum(array.size for array in weights.values())
    return Tuned(probabilities, weights, config, facts, seconds)


def label_head(model: LanguageModel, label_ids: Sequence[Sequence[int]]) -> Head:
    """The model's head on C label words alone, (C, d) in place of (V, d); several tokens of one word are averaged."""
    import torch

    whole = model.head
    weight = torch.stack([whole.weight[list(ids)].mean(dim=0) for ids in label_ids])
    bias = None if whole.bias is None else torch.stack([whole.bias[list(ids)].mean() for ids in label_ids])
    return Head(weight, bias, whole.softcap, whole.scale, len(label_ids))


@contextmanager
def adapted(model: LanguageModel, training: AdapterTraining, random_state: int) -> Iterator["PeftModel"]:
    """The model with a new float32 adapter inside, its only trainable parameters; taken out again however it ends.

    A new adapter changes no output. Its modules are peft's choice for the architecture, else all linear ones but the
    head; the random state draws LoRA's A.
    """
    import torch
    from peft import get_peft_model

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that is on its way out
        torch.default_generator.manual_seed(random_state)
        adapter = get_peft_model(model.network, training.peft_config(model))
    try:
        yield adapter
    finally:
        adapter.unload()


def as_stored(adapter: "PeftModel", name: str) -> "tuple[dict[str, Any], dict[str, Any]]":
    """Weights as float32 arrays and configuration as JSON, as peft saves them; `name` stands for the base model."""
    from peft import get_peft_model_state_dict

    config = adapter.peft_config["default"].to_dict() | {"base_model_name_or_path": name, "inference_mode": True}
    weights = {key: tensor.cpu().numpy() for key, tensor in get_peft_model_state_dict(adapter).items()}
    return weights, {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}


def _train(
    model: LanguageModel,
    adapter: "PeftModel",
    head: Head,
    prompts: Sequence[Prompt],
    labels: Ints,
    rate: float,
    steps: int,
    batches: Iterator[list[int]],
    progress: Progress,
) -> Iterator[int]:
    """Yields the number of steps done after each, so that the caller may look, or stop."""
    import torch

    weights = [parameter for parameter in adapter.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
    targets = torch.as_tensor(labels)
    for step in range(steps):
        rows = next(batches)
        ids, lengths = padded([prompts[row] for row in rows], model.network.device)
        states = model.network.base_model(ids, use_cache=False).last_hidden_state  # (B, T, d)
        last = states[torch.arange(len(ids), device=ids.device), lengths - 1]  # (B, d)
        loss = torch.nn.functional.cross_entropy(head.logits(last.float().cpu()), targets[rows])
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        if not torch.isfinite(loss + norm.cpu()):
            raise TrainingFailed(
                f"model {model.name!r}: the loss became {loss.item():g} and its gradient {norm.item():g} at step {step}"
                f" with learning rate {rate:g}: give lower 'learning_rates', or use dtype float32"
            )
        optimizer.step()
        progress(len(rows), int(lengths.sum()))
        yield step + 1


def _log_probabilities(
    model: LanguageModel, head: Head, prompts: Sequence[Prompt], progress: Progress
) -> NDArray[np.float64]:
    """(M, C), by the model as it is now."""
    import torch

    states = extract(model, prompts, [model.layers], progress=progress)[model.layers]  # (M, d)
    return np.asarray(log_softmax(head.logits(torch.from_numpy(states)).double().numpy(), axis=1))


def random_batches(rows: int, batch_size: int, generator: np.random.Generator) -> Iterator[list[int]]:
    """Rows in one random order after another, cut into equal batches."""
    size = min(batch_size, rows)
    queue: list[int] = []
    while True:
        while len(queue) < size:
            queue += generator.permutation(rows).tolist()
        yield queue[:size]
        queue = queue[size:]


def held_out_rows(
    labels: Ints, generator: np.random.Generator, fraction: float = 0.2, most: int = 256
) -> NDArray[np.bool_]:
    """(N,) a fraction of each class, one row at least; none where a class has a single row."""
    chosen, order = np.zeros(len(labels), bool), generator.permutation(len(labels))
    members = [order[labels[order] == label] for label in np.unique(labels)]
    if min(map(len, members)) > 1:
        for rows in members:
            chosen[rows[: max(1, round(len(rows) * min(fraction, most / len(labels))))]] = True
    return chosen
