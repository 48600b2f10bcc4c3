"""What this machine takes for a token, a fit and a metric: from earlier runs of the home, else timed here once.

What is timed is small and made of random numbers, whose cost is that of real ones: two layers of a model's width, fits
to a few rows. It is kept in the cache, under the machine it was timed on.
"""

import json
import math
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.steps.facts import FitFacts, StatesFacts, facts_of
from tasks.steps.step import PlannedFit
from tasks.views.random_models import TOKENS, layer_weights, random_model
from vocabsem.cards.schema import ModelCard
from vocabsem.families.names import ModelFamily
from vocabsem.methods.registry import method_info
from vocabsem.runtime.devices import has_nvidia, processor_flags
from vocabsem.states.layers import share_run
from warehouse.home import Home
from warehouse.lake import atomic
from warehouse.lake.keys import partition_key
from warehouse.lake.partition import Lake

BUDGET_SECONDS = 10.0  # of all that is timed for one plan; what would come after is not known
VERSION = 1  # raise it when something else is timed
MAX_WIDTH = 1024  # of the model that is timed
PROMPT_TOKENS, MOST_PROMPTS, ENOUGH_SECONDS = 40, 2048, 0.5  # the number of prompts grows until they take that long
LABELED, UNLABELED, CLASSES = 64, 256, 4  # of the fits that are timed
SCORED_ROWS, SCORED_SEEDS = 300, 3


@dataclass(frozen=True)
class Cost:
    """Seconds, and whether they are of earlier runs or timed on random numbers."""

    seconds: float
    measured: bool


@dataclass(frozen=True)
class _Fit:
    """Seconds that one seed of a fit took."""

    seconds: float
    rows: int
    """Labeled."""


class Calibration:
    """The unit costs of a home's machine."""

    def __init__(self, home: Home, budget: float = BUDGET_SECONDS) -> None:
        self.home, self.left = home, budget
        self._path = home.cache / "calibration.json"
        self._kept = _read(self._path, machine())
        self._lake = Lake(home)
        self._fits: dict[str, list[_Fit]] | None = None

    def token(self, model: ModelCard, dtype: str, device: str) -> Cost | None:
        """Return the seconds that extraction takes for a token of a model; None beyond the budget."""
        if rate := self._stored_rate(model, dtype):
            return Cost(1 / rate, measured=True)
        width, of_family = min(model.hidden_size, MAX_WIDTH), layer_weights(model.family)
        inside = max(1, model.parameters - model.vocabulary_size * model.hidden_size)
        inner = max(64, of_family.inner(inside / model.layers, model.hidden_size))
        narrowed = round(inner * width / model.hidden_size)
        kind = "" if model.family == "causal" else f"{model.family} "
        name = f"token {kind}{width} {narrowed} {dtype} {device}"
        seconds = self._timed(name, lambda: time_tokens(width, narrowed, dtype, device, model.family))
        weights = of_family.weights(width, narrowed)
        return None if seconds is None else Cost(seconds * inside / weights, measured=False)

    def fit(self, fit: PlannedFit, method: str, labeled: int, unlabeled: int, layers: int = 1) -> Cost | None:
        """Return the seconds of one seed of a fit to so many rows; None beyond the budget, and for what reads no
        states and was never run.

        method: as in `method_info`; layers: states of so many lie side by side.

        It is taken to grow with the labeled rows, from the stored fit of the method whose rows are nearest in number;
        that of an adapter, whose steps are fixed, not at all.
        """
        spec, info = fit.predictions.spec, method_info(method)
        name = _fit_name(spec.method.name, spec.method.params)
        if stored := self._stored_fits().get(name):
            nearest = min(stored, key=lambda each: abs(math.log((each.rows + 1) / (labeled + 1))))
            growth = 1.0 if info.family == "adapters" else max(labeled, 1) / max(nearest.rows, 1)
            return Cost(nearest.seconds * growth, measured=True)
        if info.family != "states":
            return None
        rows, others, classes, width = LABELED if labeled else 0, UNLABELED, CLASSES, fit.model.hidden_size
        vocabulary = min(fit.model.vocabulary_size, TOKENS) if info.needs_vocabulary(spec.method.params) else 0
        folds = int(spec.temperature)
        beside = layers if info.takes_layers or not info.fixed_width else 1
        params = dict(spec.method.params) | ({"layers": beside} if info.takes_layers else {})
        what = f"fit {name} {rows} {others} {classes} {width}x{beside} {vocabulary} {folds}"
        seconds = self._timed(
            what, lambda: time_fit(method, params, (rows, others, classes, width, beside), vocabulary, folds)
        )
        if seconds is None:
            return None
        larger = max(1.0, labeled / rows) if rows else max(1.0, unlabeled / others)
        wider = fit.model.vocabulary_size / vocabulary if vocabulary else 1.0
        return Cost(seconds * larger * wider, measured=False)

    def metrics(self, classes: int) -> Cost | None:
        """Return the seconds of the bootstrap of all metrics, for a row of one seed."""
        seconds = self._timed(f"metrics {classes}", lambda: time_metrics(classes))
        return None if seconds is None else Cost(seconds / SCORED_ROWS / SCORED_SEEDS, measured=False)

    def _timed(self, name: str, run: Callable[[], float]) -> float | None:
        """Return what is kept under a name; else time it and keep it, where the budget is not spent."""
        if name not in self._kept and self.left > 0:
            _load_libraries()
            began = time.perf_counter()
            self._kept[name] = run()
            self.left -= time.perf_counter() - began
            if not self.home.read_only:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                atomic.write(self._path, json.dumps({"machine": machine(), "seconds": self._kept}).encode(), sync=False)
        return self._kept.get(name)

    def _stored_rate(self, model: ModelCard, dtype: str) -> float | None:
        """Tokens a second, through all layers, over all stored states of this model in this dtype; those that prompts
        share are counted with each prompt but computed once, so states of demonstrations say nothing."""
        matches = [m for m in self._lake.manifests("states") if m.coordinates["model"] == model.name]
        facts = [facts_of(manifest, StatesFacts) for manifest in matches]
        facts = [fact for fact in facts if fact.dtype == dtype and not fact.demonstrations]
        seconds = sum(fact.seconds for fact in facts)
        run = [share_run(fact.layers, model.layers) if model.family == "causal" else 1 for fact in facts]
        return sum(share * fact.tokens for share, fact in zip(run, facts, strict=True)) / seconds if seconds else None

    def _stored_fits(self) -> Mapping[str, list[_Fit]]:
        """The fits in the lake by their method and its parameters."""
        if self._fits is None:
            self._fits = {}
            for manifest in self._lake.manifests("predictions"):
                facts, training = facts_of(manifest, FitFacts), manifest.file("training.parquet")
                rows = (training.rows if training else None) or 0
                seconds = [seed.fit_seconds for seed in facts.seeds]
                one = _Fit(sum(seconds) / len(seconds), rows // len(seconds))
                self._fits.setdefault(_fit_name(facts.method, facts.params), []).append(one)
        return self._fits


def machine() -> str:
    """Return what identifies this machine: its processor, cores, accelerator, and the version of torch."""
    from importlib.metadata import version

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    flags = sorted(flag for flag in processor_flags() if flag.startswith(("avx", "amx")))
    of = [platform.machine(), platform.processor(), cores, flags, has_nvidia(), version("torch"), VERSION]
    return partition_key({"machine": of})[:16]


def _load_libraries() -> None:
    """Import what is timed, so that imports are not."""
    from transformers import LlamaForCausalLM  # noqa: F401

    import vocabsem.evaluation.temperature
    import vocabsem.states.extraction  # noqa: F401


def _read(path: Any, of: str) -> dict[str, float]:
    """Return what is kept of this machine; nothing of another, or where the file cannot be read."""
    try:
        content = json.loads(path.read_bytes())
        return dict(content["seconds"]) if content["machine"] == of else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _fit_name(method: str, params: Mapping[str, Any]) -> str:
    """Name what costs the same: other vectors in place of the anchors do."""
    return json.dumps([method, {key: value for key, value in sorted(params.items()) if key != "targets"}])


def time_tokens(width: int, inner: int, dtype: str, device: str, family: ModelFamily = "causal") -> float:
    """Return the seconds that extraction takes for a token, of a small model of the family with random weights."""
    from vocabsem.runtime.devices import resolve_device
    from vocabsem.states.extraction import extract

    model = random_model(family, width, inner, dtype, resolve_device(device))
    generator = np.random.default_rng(0)
    lengths = generator.integers(PROMPT_TOKENS // 2, 3 * PROMPT_TOKENS // 2, MOST_PROMPTS)
    prompts = [generator.integers(TOKENS, size=length).tolist() for length in lengths]
    count, took = 8, 0.0
    extract(model, prompts[:2], [model.layers])  # the first call makes threads and buffers
    while True:
        began = time.perf_counter()
        extract(model, prompts[:count], [model.layers])
        took = time.perf_counter() - began
        if took > ENOUGH_SECONDS or count == MOST_PROMPTS:
            return float(took / lengths[:count].sum())
        count *= 4


def time_fit(
    method: str, params: Mapping[str, Any], shape: tuple[int, int, int, int, int], vocabulary: int, folds: int
) -> float:
    """Return the seconds of a fit with its temperature.

    shape: labeled and unlabeled rows, classes, columns of a layer, layers.
    """
    from vocabsem.evaluation.temperature import cross_fitted_temperature
    from vocabsem.label_space import LabelSpace, Vocabulary
    from vocabsem.methods.registry import build_method

    rows, others, classes, width, layers = shape
    generator = np.random.default_rng(0)

    def draw(count: int, of: int = 1) -> Any:
        return generator.standard_normal((count, width * of)).astype(np.float32)

    bias = np.zeros(classes, np.float32)
    whole = None
    if vocabulary:
        ids = [[token] for token in range(classes)]
        whole = Vocabulary(draw(vocabulary), np.zeros(vocabulary, np.float32), draw(vocabulary), ids)
    space = LabelSpace(draw(classes), draw(classes), bias, vocabulary=whole)
    labels = np.arange(rows) % classes if rows else None
    states, unlabeled = draw(rows or max(others, 1), layers), draw(others, layers) if others else None
    began = time.perf_counter()
    build_method(method, dict(params), space, 0).fit(states, labels, unlabeled)
    if folds and labels is not None:
        make = lambda: build_method(method, dict(params), space, 0)  # noqa: E731
        cross_fitted_temperature(make, states, labels, unlabeled, cv=folds)
    return time.perf_counter() - began


def time_metrics(classes: int) -> float:
    """Return the seconds of the bootstrap of SCORED_ROWS rows and SCORED_SEEDS seeds."""
    from vocabsem.evaluation.resampling import resample

    generator = np.random.default_rng(0)
    labels = np.arange(SCORED_ROWS) % classes
    probabilities = generator.dirichlet(np.ones(classes), (SCORED_SEEDS, SCORED_ROWS))
    resample(labels, probabilities)  # the first call draws
    began = time.perf_counter()
    for sample in resample(labels, probabilities).values():
        for seed in range(SCORED_SEEDS):
            sample.select_seeds(seed).interval()
    return time.perf_counter() - began
