"""Estimate what is missing of a plan: prompts, tokens, bytes, seconds and their basis; the memory of its fits."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.planning.memory import needs
from flows.planning.plan import ModelDatasetPlan, Plan
from tasks.steps.facts import StatesFacts, facts_of
from tasks.steps.lake_reads import prompt_rows
from tasks.steps.specs import SPLITS, StatesSpec
from tasks.steps.step import Step

CHARACTERS_A_TOKEN = 4.2  # of English, in vocabularies of 30,000 to 150,000 tokens
COMPRESSED = {"bfloat16": 0.35, "float32": 0.85}  # bytes on disk for a byte of float32
DEMONSTRATIONS_FACTOR = 1.8  # times the seconds of the same prompts without demonstrations
NOMINAL_FLOPS = 3e11  # of two ordinary cores, used until this machine has been measured


def estimate(plan: Plan) -> dict[str, Any]:
    """Sums over the states that are not published. Rows of sets that were never read count at their caps; `unread`
    names those of them that have no cap for a split, whose rows are not in the sums."""
    total: dict[str, Any] = {"prompts": 0, "tokens": 0, "bytes": 0.0, "seconds": 0.0}
    unread = set()
    measured = True
    seen = set()
    for pair in plan.pairs:
        for step in pair.states.values():
            if step.key in seen or plan.published(step):
                continue
            seen.add(step.key)
            if not plan.published(pair.examples) and _cap(plan, step) is None:
                unread.add(pair.dataset.name)
            prompts, tokens = _size(plan, pair, step)
            rate = _measured_rate(plan, pair.model.name, step.spec.dtype)
            measured &= rate is not None
            width = pair.model.hidden_size * len(step.spec.layers)
            total["prompts"] += prompts
            total["tokens"] += tokens
            total["bytes"] += prompts * width * 4 * COMPRESSED[step.spec.dtype]
            slower = DEMONSTRATIONS_FACTOR if step.spec.demonstrations else 1.0
            total["seconds"] += slower * tokens / (rate or NOMINAL_FLOPS / (2 * pair.model.parameters))
    basis = "at the rate of earlier runs here" if measured else "a rough guess before the first run"
    memory = max((need.bytes for pair in plan.pairs for need in needs(plan, pair)), default=0)
    return total | {"memory": memory, "basis": basis, "unread": sorted(unread)}


def _size(plan: Plan, pair: ModelDatasetPlan, step: Step[StatesSpec]) -> tuple[int, int]:
    if not plan.published(pair.examples):
        rows = _cap(plan, step) or 0
        return rows, rows * step.spec.max_tokens
    table = prompt_rows(plan.home, step.spec)
    lengths = np.concatenate([np.empty(0), *map(_characters, table["fields"].chunks)]) + len(pair.dataset.template)
    return len(lengths), int(np.minimum(step.spec.max_tokens, lengths / CHARACTERS_A_TOKEN).sum())


def _characters(fields: pa.MapArray) -> np.ndarray:
    """(N,): of all texts of each row."""
    offsets = fields.offsets.to_numpy()
    lengths = pc.utf8_length(fields.items).to_numpy()
    return np.diff(np.concatenate([[0], lengths.cumsum()])[offsets])


def _cap(plan: Plan, step: Step[StatesSpec]) -> int | None:
    """The most rows of the step's split; content-free prompts are so few that they count as none."""
    split = step.spec.split
    return getattr(plan.experiment.limits, split) if split in SPLITS else 0


def _measured_rate(plan: Plan, model: str, dtype: str) -> float | None:
    """Tokens a second over all stored states of this model in this dtype; those that prompts share are counted
    with each prompt but computed once, so states of demonstrations say nothing."""
    matches = [m for m in plan.lake.manifests("states") if m.coordinates["model"] == model]
    facts = [facts_of(manifest, StatesFacts) for manifest in matches]
    facts = [fact for fact in facts if fact.dtype == dtype and not fact.demonstrations]
    seconds = sum(fact.seconds for fact in facts)
    return sum(fact.tokens for fact in facts) / seconds if seconds else None
