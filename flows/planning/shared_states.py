"""States that are there under another name of the same data set: zero-shot prompts hold no label words."""

from typing import Any

from flows.planning.plan import ModelDatasetPlan, Plan
from tasks.steps.step import Step

WORDS = "words-"  # begins the names of variants that differ in label words


def without_words(step: Step[Any], pair: ModelDatasetPlan) -> Step[Any]:
    """Return the step of the same prompts under the data set's name without its variant of label words."""
    parts = pair.dataset.name.split("@")
    return _renamed(step, pair, "@".join(part for part in parts if not part.startswith(WORDS)))


def same_prompts(plan: Plan, step: Step[Any], pair: ModelDatasetPlan) -> Step[Any] | None:
    """Return a published step of the same prompts, of the data set without its variant of label words or of another of
    the plan; None without one, and for prompts with demonstrations, which label words stand in."""
    if step.spec.demonstrations:
        return None
    names = [without_words(step, pair).spec.dataset, *(other.dataset.name for other in plan.pairs)]
    others = (_renamed(step, pair, name) for name in names if name != pair.dataset.name)
    return next(filter(plan.published, others), None)


def _renamed(step: Step[Any], pair: ModelDatasetPlan, name: str) -> Step[Any]:
    examples = Step(pair.examples.spec.model_copy(update={"dataset": name}))
    return Step(step.spec.model_copy(update={"dataset": name, "examples": examples.key}))
