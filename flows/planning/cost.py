"""Estimate what is missing of a plan: prompts, tokens, bytes and memory; seconds, by what is known of this machine."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.planning.memory import needs
from flows.planning.plan import ModelDatasetPlan, Plan
from flows.planning.shared_states import same_prompts, without_words
from tasks.steps.lake_reads import prompt_rows, split_rows, split_sizes
from tasks.steps.specs import (
    SPLITS,
    AdapterFitSpec,
    HeadOutputsSpec,
    SplitSpec,
    StatesSpec,
    TokenStatesSpec,
    WordScoresSpec,
)
from tasks.steps.step import PlannedFit, Step
from tasks.views.calibration import Calibration, Cost
from vocabsem.methods.registry import build_adapter, method_info
from vocabsem.states.layers import share_run
from vocabsem.states.pooling import reads_twice

CHARACTERS_A_TOKEN = 4.2  # of English, in vocabularies of 30,000 to 150,000 tokens
COMPRESSED = {"bfloat16": 0.35, "float32": 0.85}  # bytes on disk for a byte of float32
DEMONSTRATIONS_FACTOR = 1.8  # times the seconds of the same prompts without demonstrations
TRAINING_FACTOR = 4.5  # times those of extraction, for a token that trains an adapter: 4.0 with (IA)³, 5.3 with LoRA
ONCE_SECONDS = 25.0  # for servers, tracking and the report, on two ordinary cores
Lengths = dict[str, Mapping[str, np.ndarray]]
OF_EARLIER_RUNS, TIMED = "at the rate of earlier runs here", "as timed on this machine with random numbers"


def estimate(plan: Plan, calibration: Calibration, lengths: Lengths | None = None) -> dict[str, Any]:
    """Sums over what is not published.

    lengths: characters of each text that was read for the plan, by key of the examples and split. Rows of sets that
    were never read count at their caps; `unread` names those of them that have no cap for a split, whose rows are not
    in the sums. `unknown` names what is not in the seconds.
    """
    given = lengths or {}
    cost, unread, unknown = _extraction(plan, calibration, given)
    fits, without = _fits(plan, calibration, given)
    recorded = _recording(plan, calibration, given)
    cost |= fits | {"record_seconds": recorded}
    cost["total_seconds"] = cost["seconds"] + cost["fit_seconds"] + recorded
    cost["memory"] = max((need.bytes for pair in plan.pairs for need in needs(plan, pair)), default=0)
    return cost | {"unread": sorted(unread), "unknown": sorted(unknown | without)}


def _extraction(plan: Plan, calibration: Calibration, lengths: Lengths) -> tuple[dict[str, Any], set[str], set[str]]:
    total: dict[str, Any] = {"prompts": 0, "tokens": 0, "bytes": 0.0, "seconds": 0.0}
    unread, unknown, seen, measured = set(), set(), set(), True
    for pair in plan.pairs:
        for step in pair.extracted:
            if step.key in seen or plan.published(step):
                continue
            shared = without_words(step, pair).key
            copied = shared in seen or same_prompts(plan, step, pair)
            seen |= {step.key, shared}
            if not _known(plan, pair, lengths) and _cap(plan, step) is None:
                unread.add(pair.dataset.name)
            prompts, tokens = _size(plan, pair, step, lengths)
            total["bytes"] += prompts * step.spec.columns(pair.model.hidden_size) * 4 * COMPRESSED[step.spec.dtype]
            if copied:
                continue
            total["prompts"] += prompts
            total["tokens"] += tokens
            token = calibration.token(pair.model, step.spec.dtype, plan.experiment.device)
            if token is None:
                unknown.add(f"{step.kind} of {pair.model.name}")
                continue
            measured &= token.measured
            run = tokens * _share_run(pair, step.spec)
            total["seconds"] += (DEMONSTRATIONS_FACTOR if step.spec.demonstrations else 1.0) * run * token.seconds
    return total | {"basis": _basis(measured)}, unread, unknown


def _share_run(pair: ModelDatasetPlan, spec: SplitSpec) -> float:
    if isinstance(spec, StatesSpec | TokenStatesSpec | HeadOutputsSpec) and pair.model.family == "causal":
        return share_run(spec.layers, pair.model.layers)
    return 1.0


def _fits(plan: Plan, calibration: Calibration, lengths: Lengths) -> tuple[dict[str, Any], set[str]]:
    seconds, measured, unknown, count = 0.0, True, set(), 0
    for pair in plan.pairs:
        for fit in pair.fits:
            if plan.published(fit.predictions):
                continue
            count += 1
            cost = _fit(plan, pair, fit, calibration, lengths)
            if cost is None:
                unknown.add(fit.name)
                continue
            measured &= cost.measured
            seconds += cost.seconds * len(fit.predictions.spec.seeds)
    return {"fits": count, "fit_seconds": seconds, "fit_basis": _basis(measured)}, unknown


def _fit(
    plan: Plan, pair: ModelDatasetPlan, fit: PlannedFit, calibration: Calibration, lengths: Lengths
) -> Cost | None:
    spec = next(each for each in plan.experiment.methods if each.name == fit.name)
    info, train = method_info(spec.method), _rows(plan, pair, "train", lengths)
    labeled = 0
    if info.needs_labels and fit.shots != 0:
        labeled = train if fit.shots == "all" else min(train, int(fit.shots) * pair.dataset.classes)
    layers = max((len(step.spec.layers) for step in pair.states.values()), default=1)
    cost = calibration.fit(fit, spec.method, labeled, train if info.background == "train" else 1, layers)
    if cost is None and isinstance(fit.predictions.spec, AdapterFitSpec):
        return _adapter(plan, pair, fit.predictions.spec, calibration, lengths)
    return cost


def _adapter(
    plan: Plan, pair: ModelDatasetPlan, spec: AdapterFitSpec, calibration: Calibration, lengths: Lengths
) -> Cost | None:
    """Return the seconds of one seed of an adapter: training at each rate, at the chosen one on all rows,
    predictions."""
    token = calibration.token(pair.model, spec.dtype, plan.experiment.device)
    if token is None:
        return None
    training = build_adapter(spec.method.name, spec.method.params)
    per_prompt = _mean_tokens(plan, pair, "train", spec.max_tokens, lengths)
    trained = (len(training.learning_rates) + 1) * training.steps * training.batch_size * per_prompt
    scored = sum(
        _rows(plan, pair, split, lengths) * _mean_tokens(plan, pair, split, spec.max_tokens, lengths)
        for split in ("validation", "test")
    )
    return Cost(token.seconds * (TRAINING_FACTOR * trained + scored), measured=False)


def _mean_tokens(plan: Plan, pair: ModelDatasetPlan, split: str, most: int, lengths: Lengths) -> float:
    """Return the mean tokens of a split's prompts; the most there may be where the set was never read."""
    if read := lengths.get(pair.examples.key):
        characters = read.get(split, np.empty(0))
    elif plan.published(pair.examples):
        rows = split_rows(plan.home, pair.dataset.name, pair.examples.key, split, ["fields"])
        characters = np.concatenate([np.empty(0), *map(_characters, rows["fields"].chunks)])
    else:
        return float(most)
    tokens = np.minimum(most, (characters + len(pair.dataset.template)) / CHARACTERS_A_TOKEN)
    return float(tokens.mean()) if len(tokens) else 0.0


def _recording(plan: Plan, calibration: Calibration, lengths: Lengths) -> float:
    """Return the seconds of scores and comparisons, and of all that a run does once."""
    missing = {step.key for step in plan.missing()}
    seconds = ONCE_SECONDS if missing else 0.0
    for pair in plan.pairs:
        due = [fit for fit in pair.fits if fit.metrics.key in missing]
        if due and (metrics := calibration.metrics(pair.dataset.classes)):
            validation, test = (_rows(plan, pair, split, lengths) for split in ("validation", "test"))
            seeds = sum(len(fit.predictions.spec.seeds) for fit in due)
            seconds += metrics.seconds * seeds * (validation + 2 * test)  # test rows are compared too
    return seconds


def _known(plan: Plan, pair: ModelDatasetPlan, lengths: Lengths) -> bool:
    return pair.examples.key in lengths or plan.published(pair.examples)


def _rows(plan: Plan, pair: ModelDatasetPlan, split: str, lengths: Lengths) -> int:
    """Return the rows of a split, those of a set that was never read at their cap."""
    if pair.examples.key in lengths:
        return len(lengths[pair.examples.key].get(split, ()))
    if plan.published(pair.examples):
        return split_sizes(plan.home, pair.dataset.name, pair.examples.key).get(split, 0)
    return getattr(plan.experiment.limits, split) or 0


def _basis(measured: bool) -> str:
    return OF_EARLIER_RUNS if measured else TIMED


def _size(plan: Plan, pair: ModelDatasetPlan, step: Step[SplitSpec], lengths: Lengths) -> tuple[int, int]:
    """Return texts and tokens."""
    if not _known(plan, pair, lengths):
        rows = _cap(plan, step) or 0
        most = rows * step.spec.max_chunks
        return rows, _all_tokens(step.spec, most, most * step.spec.max_tokens)
    if read := lengths.get(pair.examples.key):
        characters = read.get(step.spec.split, np.empty(0))
    else:
        table = prompt_rows(plan.home, step.spec)
        characters = np.concatenate([np.empty(0), *map(_characters, table["fields"].chunks)])
    prompts, tokens = _prompts_and_tokens(characters, step.spec)
    return len(characters), _all_tokens(step.spec, int(prompts.sum()), int(tokens.sum()))


def _all_tokens(spec: SplitSpec, prompts: int, tokens: int) -> int:
    """Return the tokens of prompts with a second reading, or with the words that are scored after them."""
    if isinstance(spec, WordScoresSpec) and spec.options:  # options are among the texts of a row
        return tokens * (spec.options if spec.words else 1)
    if isinstance(spec, WordScoresSpec):
        return tokens + prompts * round(sum(map(len, spec.words)) / CHARACTERS_A_TOKEN)
    return tokens * (2 if isinstance(spec, StatesSpec) and reads_twice(spec.layers, spec.pooling) else 1)


def _prompts_and_tokens(characters: np.ndarray, spec: SplitSpec) -> tuple[np.ndarray, np.ndarray]:
    """(N,) and (N,): the prompts of each text, of which long ones have several, and their tokens."""
    template = min(len(spec.template) / CHARACTERS_A_TOKEN, spec.max_tokens - 1)
    prompts = np.ceil(characters / CHARACTERS_A_TOKEN / (spec.max_tokens - template)).clip(1, spec.max_chunks)
    return prompts, np.minimum(prompts * spec.max_tokens, characters / CHARACTERS_A_TOKEN + prompts * template)


def _characters(fields: pa.MapArray) -> np.ndarray:
    """(N,): of all texts of each row."""
    offsets = fields.offsets.to_numpy()
    lengths = pc.utf8_length(fields.items).to_numpy()
    return np.diff(np.concatenate([[0], lengths.cumsum()])[offsets])


def _cap(plan: Plan, step: Step[SplitSpec]) -> int | None:
    """The most rows of the step's split; content-free prompts are so few that they count as none."""
    split = step.spec.split
    return getattr(plan.experiment.limits, split) if split in SPLITS else 0
