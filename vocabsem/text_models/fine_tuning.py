"""Fine-tuning by adapters on prompts with labels: the methods for which the model is not frozen.

The answer is chosen among the label tokens: cross-entropy of their logits alone at the last prompt token, AdamW without
decay, gradients clipped at norm 1, a rate that falls linearly to zero (the defaults of transformers' Trainer). It runs
without dropout and without padding masks, as extraction does.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax

from vocabsem.arrays import Ints, check_labels
from vocabsem.errors import DataError, TrainingFailed
from vocabsem.evaluation.temperature import fit_temperature
from vocabsem.methods.adapters import AdapterTraining, adapted, as_stored
from vocabsem.models.language_model import Head, LanguageModel
from vocabsem.states.batching import padded
from vocabsem.states.extraction import extract

if TYPE_CHECKING:
    from peft import PeftModel

__all__ = ["Tuned", "held_out_rows", "label_head", "random_batches", "tune"]

Prompt = Sequence[int]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Tuned:
    """What training returns; the model itself is as it was."""

    probabilities: list[NDArray[np.float64]]
    """(M, C) of each list of prompts."""
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
    """Train an adapter on labeled prompts and predict others.

    The learning rate, and after how many of the steps training ends, are those of the lowest loss on a fifth of the
    rows, stratified, when trained on the others; then it trains on all rows. Where a class has a single row the middle
    of rates and ends is taken. The same random state gives the same result.

    Parameters
    ----------
    model : LanguageModel
        It is as before when training ends, however it ends.
    prompts : sequence of N sequences of int
        Token ids.
    labels : array of shape (N,)
        Classes 0 to C - 1.
    label_ids : sequence of C sequences of int
        The tokens of each label word, whose logits are averaged.
    others : sequence of sequences of prompts
        What is predicted.
    training : AdapterTraining
        The adapter and its settings.
    random_state : int, default=0
        Draws first weights, held-out rows and batches.
    temperature : bool, default=False
        Divide the logits by the temperature that suits the rows held out (1 where there are none).
    progress : callable, optional
        Receives the prompts and tokens of each batch.

    Returns
    -------
    Tuned

    Raises
    ------
    DataError
        Labels that cannot be used, and a model whose weights lie on the disk until they compute.
    TrainingFailed
        A loss that is not finite.

    Examples
    --------
    >>> from vocabsem.methods.adapters import LoRA
    >>> tuned = tune(model, prompts, labels, [[4], [5]], [others], training=LoRA(steps=40))  # doctest: +SKIP
    >>> tuned.probabilities[0].shape  # doctest: +SKIP
    (20, 2)
    """
    began = time.perf_counter()
    if model.offloaded:
        raise DataError(f"{training.name} trains in whole models, and {model.name!r} is offloaded: use another device")
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
        return _train(model, adapter, head, data, y[rows], rate, training, batches, progress)

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
        logs = (_log_probabilities(model, head, each, progress) for each in others)
        probabilities = [np.asarray(softmax(log_p / divisor, axis=1)) for log_p in logs]
        weights, config = as_stored(adapter, model.name)
    facts = {"learning_rate": rate, "steps": end, "held_out": int(held_out.sum()), "temperature": divisor}
    facts["parameters"] = sum(array.size for array in weights.values())
    return Tuned(probabilities, weights, config, facts, seconds)


def label_head(model: LanguageModel, label_ids: Sequence[Sequence[int]]) -> Head:
    """Return the model's head on C label words alone; several tokens of one word are averaged.

    Parameters
    ----------
    model : LanguageModel
        With the whole head (V, d).
    label_ids : sequence of C sequences of int
        The tokens of each label word.

    Returns
    -------
    Head
        (C, d).

    Examples
    --------
    >>> label_head(model, [[4], [5, 6]]).weight.shape  # doctest: +SKIP
    torch.Size([2, 576])
    """
    import torch

    whole = model.head
    weight = torch.stack([whole.weight[list(ids)].mean(dim=0) for ids in label_ids])
    bias = None if whole.bias is None else torch.stack([whole.bias[list(ids)].mean() for ids in label_ids])
    return Head(weight, bias, whole.softcap, whole.scale, len(label_ids))


def _train(
    model: LanguageModel,
    adapter: "PeftModel",
    head: Head,
    prompts: Sequence[Prompt],
    labels: Ints,
    rate: float,
    training: AdapterTraining,
    batches: Iterator[list[int]],
    progress: Progress,
) -> Iterator[int]:
    """Yield the number of steps done after each, so that the caller may look, or stop."""
    import torch

    weights = [parameter for parameter in adapter.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=training.weight_decay)
    targets = torch.as_tensor(labels)
    for step in range(training.steps):
        rows = next(batches)
        ids, lengths = padded([prompts[row] for row in rows], model.device)
        states = model.network.base_model(ids, use_cache=False).last_hidden_state  # (B, T, d)
        last = states[torch.arange(len(ids), device=ids.device), lengths - 1]  # (B, d)
        loss = torch.nn.functional.cross_entropy(head.logits(last.float().cpu()), targets[rows])
        optimizer.param_groups[0]["lr"] = rate * (1 - step / training.steps)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, training.max_grad_norm)
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
    """Yield rows in one random order after another, cut into equal batches.

    Parameters
    ----------
    rows, batch_size : int
        How many there are, and how many a batch has.
    generator : numpy.random.Generator
        Draws the orders.

    Yields
    ------
    list of int

    Examples
    --------
    >>> sorted(next(random_batches(3, 16, np.random.default_rng(0))))
    [0, 1, 2]
    """
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
    """Choose a fraction of each class, one row at least; none where a class has a single row.

    Parameters
    ----------
    labels : ndarray of shape (N,)
        Classes.
    generator : numpy.random.Generator
        Draws the rows.
    fraction : float, default=0.2
        Of each class.
    most : int, default=256
        Rows in all.

    Returns
    -------
    ndarray of shape (N,), bool

    Examples
    --------
    >>> int(held_out_rows(np.arange(20) % 2, np.random.default_rng(0)).sum())
    4
    """
    chosen, order = np.zeros(len(labels), bool), generator.permutation(len(labels))
    members = [order[labels[order] == label] for label in np.unique(labels)]
    if min(map(len, members)) > 1:
        for rows in members:
            chosen[rows[: max(1, round(len(rows) * min(fraction, most / len(labels))))]] = True
    return chosen
