"""Where an experiment's models lean, and how far their anchors repeat their logits."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from prefect import flow

from flows.execution.flow_run import run_name
from flows.execution.opening import plan_from_parameters
from flows.execution.progress import progress
from flows.execution.stages import build_datasets, extract_states, solve_anchors
from flows.execution.turns import turn
from flows.execution.workers import compute, started
from flows.planning.plan import ModelDatasetPlan, Plan
from flows.planning.variants import load_variant
from tasks.catalog import update_catalog
from tasks.diagnostics import PROMPTS, diagnose_dataset
from tasks.steps.result_specs import DiagnosticsSpec
from tasks.steps.step import Step
from vocabsem.cards.schema import DatasetCard
from vocabsem.errors import CardError
from warehouse.home import Home

GAUGES = ("raw", "centered")
# Between them these read all prompts that the diagnostics do; nothing is fitted.
READERS = ["zero_shot", "contextual_calibration", "domain_calibration", "batch_calibration"]
EXACT = {"method": "zero_shot", "scoring": "exact"}  # what reads exact scores, of label words of several tokens
COMPARED = "validation"  # split on which they are compared with the approximate ones


@flow(name="diagnose", flow_run_name=run_name, log_prints=True)
def diagnose(
    experiment: str = "quickstart",
    overrides: dict[str, Any] | None = None,
    home: str | None = None,
    data_dir: str | None = None,
) -> list[str]:
    """Diagnostics of each of the experiment's models on each of its data sets, whatever its methods. Returns their
    keys. States and anchors that are not there yet are computed, those of the experiment are used; where label words
    may have several tokens, so are their exact scores after validation rows.

    Raises CardError where the layer that meets the head is not among the experiment's, or a data set has no classes of
    which each text has one.

    Args:
        experiment: Name of an experiment card, or its path.
        overrides: Keys of the card, dotted, with new values.
        home: Folder of all data; the worker's own home if empty.
        data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
    """
    card = load_variant(experiment, overrides)
    _check_labels(card.dataset_cards())
    causal = any(model.family == "causal" for model in card.model_cards(Home.find(home).cache))
    readers = [*READERS, *([EXACT] if causal and any(map(_has_long_words, card.dataset_cards())) else [])]
    kept = (overrides or {}) | {"methods": readers, "shots": [0], "champion": False}
    plans = [_reading(plan_from_parameters(experiment, kept | {"gauge": gauge}, home, data_dir)) for gauge in GAUGES]
    with started(plans[0]):
        return _diagnose(plans)


def _check_labels(datasets: Iterable[DatasetCard]) -> None:
    for card in datasets:
        if card.label_kind in ("multi", "choice", "continuous"):
            raise CardError(
                f"dataset {card.name!r} has label_kind: {card.label_kind}, and diagnostics compare states with the"
                " words of classes of which each text has one: leave it out"
            )


def _has_long_words(card: DatasetCard) -> bool:
    return card.word_tokens != "single"


def _diagnose(plans: list[Plan]) -> list[str]:
    for plan in plans:
        build_datasets(plan)
        extract_states(plan)
        solve_anchors(plan)
    steps = [(gauges[0], _step(*gauges)) for gauges in zip(*(plan.pairs for plan in plans), strict=True)]
    if todo := [(pair, step) for pair, step in steps if not plans[0].published(step)]:
        with progress("data sets diagnosed", len(todo)) as file:
            for pair, step in todo:
                with turn(plans[0].home, [step], f"diagnostics of {pair.model.name}/{pair.dataset.name}"):
                    if not plans[0].published(step):
                        compute(diagnose_dataset, plans[0].home, pair.model, pair.dataset, step)
                file.advance(1)
    update_catalog.submit(plans[0].home).result()
    return [step.key for _, step in steps]


def _reading(plan: Plan) -> Plan:
    """Return the plan without fits and without states that no diagnostic reads."""
    for pair in plan.pairs:
        if pair.model.family == "encoder":
            raise CardError(
                f"model {pair.model.name!r} of experiment {plan.experiment.name!r} is a sentence encoder: diagnostics"
                " compare a vocabulary with the model's logits, and it has neither: leave it out"
            )
        if pair.states["test"].spec.layers[-1] != pair.model.layers:
            raise CardError(
                f"layers {plan.experiment.layers} of experiment {plan.experiment.name!r} lack the one that meets the"
                " head, which the diagnostics read: add 'last'"
            )
    return replace(plan, pairs=list(map(_read_alone, plan.pairs)))


def _read_alone(pair: ModelDatasetPlan) -> ModelDatasetPlan:
    scores = pair.word_scores if _has_long_words(pair.dataset) else {}
    scores = {split: step for split, step in scores.items() if split == COMPARED}
    states = {split: pair.states[split] for split in (*PROMPTS, *scores, "test")}
    return replace(pair, states=states, word_scores=scores, fits=[])


def _step(*gauges: ModelDatasetPlan) -> Step[DiagnosticsSpec]:
    """The step of one model on one data set, of which the plans differ in the gauge of the anchors."""
    first = gauges[0]
    spec = DiagnosticsSpec(
        model=first.model.name,
        dataset=first.dataset.name,
        states={split: step.key for split, step in first.states.items()},
        word_scores={split: step.key for split, step in first.word_scores.items()},
        anchors={gauge: each.anchors.key for gauge, each in zip(GAUGES, gauges, strict=True)},
        words=tuple(w if isinstance(w := label.word, str) else tuple(w) for label in first.dataset.labels),
        word_tokens=first.dataset.word_tokens,
    )
    return Step(spec)
