"""The stages of an experiment: find the steps of a plan that are missing, and give each to its task.

A failed check stops what would read the refused data. The rest of a stage, and of those after it, is done; a flow ends
with the refusals (`raise_refusals`).
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeVar

from flows.execution.activity import activity
from flows.execution.extraction import extract_split
from flows.execution.failures import attempt, collecting, keep_failure
from flows.execution.flow_run import logged
from flows.execution.progress import progress
from flows.execution.solving import solve_model
from flows.execution.turns import turn
from flows.execution.workers import compute, concurrently, worker_memory
from flows.planning.memory import require_memory, weight_bytes
from flows.planning.plan import ModelDatasetPlan, Plan
from tasks.comparisons import compare
from tasks.demonstrations import publish_demonstrations
from tasks.examples import build_examples
from tasks.fetch import fetch_card
from tasks.finetuning import tune_method
from tasks.fits import fit_method
from tasks.metrics import score
from tasks.models.extensions import keep_method
from tasks.steps.facts import ExamplesFacts, facts_of
from tasks.steps.progress import ProgressFile
from tasks.steps.result_specs import ComparisonsSpec, MetricsSpec
from tasks.steps.specs import AdapterFitSpec, DemonstrationsSpec, ExamplesSpec, TextFitSpec
from tasks.steps.step import Step
from tasks.text_fits import fit_text_method
from vocabsem.datasets.shots import shots_text
from vocabsem.errors import DataError
from warehouse.errors import CheckFailed, NotPublished
from warehouse.lake.manifest import REJECTED

MAKERS = {
    "states": "extract",
    "word_scores": "extract",
    "anchors": "anchors",
    "predictions": "calibrate",
}  # which command makes what
S = TypeVar("S", bound=Step[Any])
Work = Callable[[Plan, ModelDatasetPlan, list[Any]], None]  # which of the pair's steps to do


def check_published(plan: Plan, *kinds: str) -> None:
    """Raises NotPublished if a step of these kinds is not done, naming the command that does it, unless for a check."""
    excused = {step.key for step in plan.refusals()}
    for step in plan.missing():
        if not excused.isdisjoint(step.inputs.values()):
            excused.add(step.key)
        if step.kind in kinds and step.key not in excused:
            where = "/".join(step.coordinates.values())
            raise NotPublished(
                f"{step.kind} of {where} are not there yet: give the card of {plan.experiment.name!r} to"
                f" `vocabsem run`, or to `vocabsem {MAKERS[step.kind]}` for them alone"
            )


def unique(steps: Iterable[tuple[S, ModelDatasetPlan]]) -> list[tuple[S, ModelDatasetPlan]]:
    return list({step.key: (step, pair) for step, pair in steps}.values())


def raise_refusals(plan: Plan, *kinds: str) -> None:
    """Raises CheckFailed if the data of a step (of these kinds) was refused."""
    failures = []
    for step in plan.refusals(*kinds):
        partition = step.partition(plan.lake)
        if refusal := partition.manifest(REJECTED):
            failures.append(partition.refused(refusal.checks))
    if failures:
        raise CheckFailed("; ".join(map(str, failures)), failures[0].key)


def _each(plan: Plan, pair: ModelDatasetPlan, steps: Sequence[Step[Any]], work: Work, what: str | None = None) -> None:
    """Do `work`, shown as `what`, on the steps that are missing and can be done, alone; when a check refuses one, on
    those that are left.

    While errors are collected (see `failures`), one that fails does not stop those beside it.
    """
    if any(not plan.published(step) and plan.readable(step) for step in steps):
        title = f"{steps[0].kind} of {_title(steps[0])}"
        with turn(plan.home, steps, title), activity(what) if what else nullcontext():
            _work(plan, pair, steps, work)


def _work(plan: Plan, pair: ModelDatasetPlan, steps: Sequence[Step[Any]], work: Work) -> None:
    refused: set[str] = set()
    while todo := [s for s in steps if s.key not in refused and not plan.published(s) and plan.readable(s)]:
        try:
            work(plan, pair, todo)
            return
        except CheckFailed as refusal:
            refused.add(refusal.key)
        except Exception as error:
            if not collecting():
                raise
            if len(todo) > 1:
                for step in todo:
                    _work(plan, pair, [step], work)
                return
            keep_failure(error, **_where(pair, todo[0]))
            return


def _title(step: Step[Any]) -> str:
    return "/".join(value for name, value in step.coordinates.items() if name != "shots")


def _where(pair: ModelDatasetPlan, step: Step[Any]) -> dict[str, str]:
    title = [step.kind, *(value for name, value in step.coordinates.items() if name not in ("model", "dataset"))]
    return {"model": pair.model.name, "dataset": pair.dataset.name, "step": " ".join(title)}


@logged("examples", "demonstrations")
def build_datasets(plan: Plan) -> list[str]:
    """Fetch the models whose states or anchors are missing, check their label words, read the examples and choose the
    demonstrations. Shots and memory are checked as soon as the counts are known: before, where the examples are there.
    """
    _check_known(plan)
    for model in {pair.model.name: pair.model for pair in plan.pairs}.values():
        mine = [pair for pair in plan.pairs if pair.model.name == model.name]
        adapters = [f.predictions for pair in mine for f in pair.fits if isinstance(f.predictions.spec, AdapterFitSpec)]
        needed = [*(step for pair in mine for step in (pair.anchors, *pair.extracted)), *adapters]
        if not all(map(plan.published, needed)):
            with attempt(model=model.name), activity(f"reading {model.name}"):
                datasets = [pair.dataset for pair in mine if pair.reads_label_tokens]
                scored = [step.spec for pair in mine for step in pair.word_scores.values()]
                fetch_card.submit(plan.home, model, datasets, scored).result()
    steps = unique((pair.examples, pair) for pair in plan.pairs)
    for step, pair in steps:
        _each(plan, pair, [step], _read_examples, f"reading the texts of {pair.dataset.name}")
    _check_known(plan)
    for pair in plan.pairs:
        what = f"choosing demonstrations of {pair.dataset.name}"
        _each(plan, pair, list(pair.demonstrations.values()), _choose_demonstrations, what)
    return [step.key for step, _ in steps]


def _read_examples(plan: Plan, pair: ModelDatasetPlan, steps: list[Step[ExamplesSpec]]) -> None:
    files = fetch_card.submit(plan.home, pair.dataset).result()
    build_examples.submit(plan.home, pair.dataset, files, *steps).result()


def _choose_demonstrations(plan: Plan, pair: ModelDatasetPlan, steps: list[Step[DemonstrationsSpec]]) -> None:
    for step in steps:
        publish_demonstrations.submit(plan.home, pair.model, pair.dataset, step).result()


def _check_known(plan: Plan) -> None:
    """Check all pairs whose examples are there, so that nothing is computed for one before another is refused."""
    for pair in plan.pairs:
        if plan.published(pair.examples):
            with attempt(model=pair.model.name, dataset=pair.dataset.name):
                _check_shots(plan, pair)
                require_memory(plan, pair, free=worker_memory())


def _check_shots(plan: Plan, pair: ModelDatasetPlan) -> None:
    """Fail before hours of extraction when a class has fewer examples than a method shall see."""
    manifest = pair.examples.partition(plan.lake).manifest()
    assert manifest is not None
    counts = facts_of(manifest, ExamplesFacts).rows_by_class("train")
    least = min(counts, key=counts.__getitem__)
    sizes: list[int | str | None] = [spec.demonstrations for spec in plan.experiment.methods]
    if plan.experiment.on_insufficient == "raise":
        sizes += [fit.shots for fit in pair.fits]
    wanted = max((n for n in sizes if isinstance(n, int)), default=0)
    if counts[least] < wanted:
        has = f"whose class {least!r} has" if least else "which has"
        raise DataError(
            f"{shots_text(wanted)} of dataset {pair.dataset.name!r}, {has} {counts[least]} training examples: lower"
            f" 'shots' or raise 'limits.train' in experiment {plan.experiment.name!r}"
        )


@logged("states", "token_states", "head_outputs", "word_scores")
def extract_states(plan: Plan) -> list[str]:
    """Compute the states, and the scores of words, of every split; finished shards are kept, and one is written while
    the next is computed."""
    steps = unique((step, pair) for pair in plan.pairs for step in pair.extracted)
    for step, pair in steps:
        _each(plan, pair, [step], extract_split)
    return [step.key for step, _ in steps]


@logged("anchors")
def solve_anchors(plan: Plan) -> list[str]:
    """Solve the anchors of every model. Returns the keys of their partitions."""
    steps = unique((pair.anchors, pair) for pair in plan.pairs)
    for step, pair in steps:
        _each(plan, pair, [step], _solve, f"solving the anchors of {pair.model.name}")
    return [step.key for step, _ in steps]


def _solve(plan: Plan, pair: ModelDatasetPlan, steps: list[Any]) -> None:
    (step,) = steps
    solve_model(plan.home, pair.model, step, plan.experiment.device)


@logged("predictions")
def fit_methods(plan: Plan) -> list[str]:
    """Fit and predict whatever is missing, one task for each method on each data set."""
    for method in plan.experiment.methods:
        keep_method(plan.home, method.method)
    todo: dict[tuple[int, str], list[Step[Any]]] = {}
    for index, pair in enumerate(plan.pairs):
        for fit in pair.fits:
            if not plan.published(fit.predictions):
                todo.setdefault((index, fit.name), []).append(fit.predictions)
    if todo:
        total = sum(map(len, todo.values()))
        with progress("methods fitted", total) as file:
            work = partial(_fit, file=file)
            concurrently(lambda each: _each(plan, plan.pairs[each[0][0]], each[1], work), todo.items())
            file.advance(total - file.totals()[0])  # refused, or what they read is, or fitted by another process
    return [fit.predictions.key for fit in plan.fits]


def _fit(plan: Plan, pair: ModelDatasetPlan, steps: list[Step[Any]], file: ProgressFile) -> None:
    """Fit the steps of one method."""
    spec = steps[0].spec
    memory = require_memory(plan, pair, {step.key for step in steps}, worker_memory())
    if isinstance(spec, AdapterFitSpec):
        device, memory = plan.experiment.device, weight_bytes(pair.model, spec.dtype)
        tuned = (plan.home, pair.model, pair.dataset, spec.name, steps, device, file)
        compute(tune_method, *tuned, device=device, memory=memory)
    elif isinstance(spec, TextFitSpec):
        compute(fit_text_method, plan.home, pair.dataset, spec.name, steps, file)
    else:
        compute(fit_method, plan.home, pair.model, pair.dataset, spec.name, steps, file, memory=memory)


@logged("metrics", "comparisons")
def score_methods(plan: Plan) -> list[str]:
    """Score each fit, then compare the methods with each other. Returns the keys of the metrics."""
    for pair in plan.pairs:
        where = f"{pair.dataset.name}, {pair.model.name}"
        _each(plan, pair, [fit.metrics for fit in pair.fits], _score, f"scoring the methods on {where}")
        _each(plan, pair, pair.compared, _compare, f"comparing the methods on {where}")
    return [fit.metrics.key for fit in plan.fits]


def _score(plan: Plan, pair: ModelDatasetPlan, steps: list[Step[MetricsSpec]]) -> None:
    predictions = {fit.metrics.key: fit.predictions for fit in pair.fits}
    compute(score, plan.home, pair.dataset.name, [(predictions[step.key], step) for step in steps])


def _compare(plan: Plan, pair: ModelDatasetPlan, steps: list[Step[ComparisonsSpec]]) -> None:
    compute(compare, plan.home, pair.dataset.name, steps)
