"""What the flows do, stage by stage: find the steps of a plan that are missing, and give each to its task.

A failed check stops what would read the refused data. The rest of a stage, and of those after it, is done; each ends
with the refusals (`raise_refusals`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from prefect import flow

from flows.execution.progress import progress
from flows.planning.experiment import load_experiment
from flows.planning.plan import ModelDatasetPlan, Plan, find_data_dir, make_plan
from tasks.anchors import build_anchors
from tasks.comparisons import compare
from tasks.examples import build_examples, fetch_dataset
from tasks.finetuning import tune_method
from tasks.fits import fit_method
from tasks.metrics import score
from tasks.models.loaded import fetch_model
from tasks.models.prompts import demonstrated
from tasks.states import extract_shard, finished, publish_states, shards
from tasks.steps.lake_reads import prompt_rows, split_rows
from tasks.steps.specs import AdapterFitSpec
from tasks.steps.step import Step
from vocabsem.errors import DataError
from vocabsem.methods.registry import method_info
from warehouse.errors import CheckFailed, NotPublished
from warehouse.home import Home
from warehouse.lake.manifest import REJECTED

MAKERS = {"states": "extract", "anchors": "anchors", "predictions": "calibrate"}  # which flow makes what
PARAMETERS = """

Args:
    experiment: Name in data/experiments, or the path of a card.
    overrides: Keys of the card, dotted, with new values.
    home: Where data rests; the worker's own home if empty.
    data_dir: Folder with local copies of data sets, in place of VOCABSEM_DATA_DIR.
"""
Work = Callable[[Plan, ModelDatasetPlan, list[Any]], None]  # which of the pair's steps to do
S = TypeVar("S", bound=Step[Any])
IN_FLIGHT = 2  # shards at a time: one is in the model while the other is written


def plan_from_parameters(
    experiment: str, overrides: dict[str, Any] | None, home: str | None, data_dir: str | None
) -> Plan:
    """A flow's parameters to its plan: card read and validated whole, sources fetched where keys depend on them."""
    card, place, folder = load_experiment(experiment, overrides), Home.find(home), find_data_dir(data_dir)
    plan = make_plan(card, place, folder)
    if not plan.unfetched:
        return plan
    for model in card.model_cards():
        fetch_model(place, model, [])
    for dataset in card.dataset_cards():
        fetch_dataset(place, dataset.located(folder))
    return make_plan(card, place, folder)


def stage(*kinds: str) -> Callable[[Callable[[Plan], list[str]]], Any]:
    """Makes work on a plan a flow of its name, with the parameters of `opened`, which its docstring then describes.

    At its end it raises CheckFailed if the data of a step (of these kinds) was refused.
    """

    def as_flow(work: Callable[[Plan], list[str]]) -> Any:
        def run(
            experiment: str = "quickstart",
            overrides: dict[str, Any] | None = None,
            home: str | None = None,
            data_dir: str | None = None,
        ) -> list[str]:
            plan = plan_from_parameters(experiment, overrides, home, data_dir)
            keys = work(plan)
            raise_refusals(plan, *kinds)
            return keys

        run.__name__ = run.__qualname__ = work.__name__
        run.__module__, run.__doc__ = work.__module__, f"{work.__doc__}{PARAMETERS}"
        return flow(run, name=work.__name__, log_prints=True)

    return as_flow


def require(plan: Plan, *kinds: str) -> None:
    """Raises NotPublished if a step of these kinds is not done, naming the command that does it, unless for a check."""
    excused = {step.key for step in plan.refusals()}
    for step in plan.missing():
        if not excused.isdisjoint(step.inputs.values()):
            excused.add(step.key)
        if step.kind in kinds and step.key not in excused:
            place = "/".join(step.coordinates.values())
            raise NotPublished(
                f"{step.kind} of {place} are not there yet: give the card of {plan.experiment.name!r} to"
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


def _each(plan: Plan, pair: ModelDatasetPlan, steps: Sequence[Step], work: Work) -> None:
    """`work` on the steps that are missing and can be done; when a check refuses one, on those that are left."""
    refused: set[str] = set()
    while todo := [s for s in steps if s.key not in refused and not plan.published(s) and plan.readable(s)]:
        try:
            work(plan, pair, todo)
            return
        except CheckFailed as refusal:
            refused.add(refusal.key)


def build_datasets(plan: Plan) -> None:
    """Fetch the models whose states or anchors are missing, check their label words, and read the examples."""
    for model in {pair.model.name: pair.model for pair in plan.pairs}.values():
        mine = [pair for pair in plan.pairs if pair.model.name == model.name]
        tuned = [fit.predictions for pair in mine for fit in pair.fits if method_info(fit.method).family == "adapters"]
        needed = [*(step for pair in mine for step in (pair.anchors, *pair.states.values())), *tuned]
        if not all(map(plan.published, needed)):
            fetch_model(plan.home, model, [pair.dataset for pair in mine])
    for step, pair in unique((pair.examples, pair) for pair in plan.pairs):
        _each(plan, pair, [step], _read_examples)
    for pair in plan.pairs:
        if plan.published(pair.examples):
            _check_shots(plan, pair)
            _check_demonstrations(plan, pair)


def _read_examples(plan: Plan, pair: ModelDatasetPlan, steps: list[Step]) -> None:
    build_examples(plan.home, pair.dataset, fetch_dataset(plan.home, pair.dataset), *steps)


def _check_demonstrations(plan: Plan, pair: ModelDatasetPlan) -> None:
    """Fail before hours of extraction, not after, when demonstrations leave no room for a question."""
    shown = {step.spec.demonstrations: step for step in pair.states.values() if step.spec.demonstrations}
    for step in shown.values():
        if not plan.published(step):
            demonstrated(plan.home, pair.model, pair.dataset, step.spec)


def _check_shots(plan: Plan, pair: ModelDatasetPlan) -> None:
    """The same when a class has fewer examples than a method shall see."""
    rows = split_rows(plan.home, pair.dataset.name, pair.examples.key, "train")
    counts = {name: rows["label_name"].to_pylist().count(name) for name in pair.dataset.label_names}
    least = min(counts, key=counts.__getitem__)
    asked = [spec.demonstrations for spec in plan.experiment.methods]
    if plan.experiment.on_insufficient == "raise":
        asked += [fit.shots for fit in pair.fits]
    wanted = max((n for n in asked if isinstance(n, int)), default=0)
    if counts[least] < wanted:
        raise DataError(
            f"{wanted} shots of dataset {pair.dataset.name!r}, whose class {least!r} has {counts[least]} training"
            f" examples: lower 'shots' or raise 'limits.train' in experiment {plan.experiment.name!r}"
        )


def extract_states(plan: Plan) -> list[str]:
    """States of every split; finished shards are kept, and one is written while the next is computed."""
    steps = unique((step, pair) for pair in plan.pairs for step in pair.states.values())
    for step, pair in steps:
        _each(plan, pair, [step], _extract_split)
    return [step.key for step, _ in steps]


def _extract_split(plan: Plan, pair: ModelDatasetPlan, steps: list[Step]) -> None:
    (step,) = steps
    experiment, split = plan.experiment, step.spec.split
    rows = len(prompt_rows(plan.home, pair.dataset.name, step.spec.examples, split))
    spans = shards(rows, experiment.shard_rows)
    todo = [span for span in spans if finished(plan.home, step, *span) is None]
    kept = rows - sum(stop - start for start, stop in todo)
    with progress(f"states of {pair.dataset.name}/{split}, {pair.model.name}", rows) as advance:
        if kept:
            advance(kept)
        waiting = []
        for start, stop in todo:
            if len(waiting) == IN_FLIGHT:
                waiting.pop(0).result()
            waiting.append(
                extract_shard.submit(plan.home, pair.model, pair.dataset, step, start, stop, experiment.device, advance)
            )
        for future in waiting:
            future.result()
    publish_states(plan.home, step, rows, experiment.shard_rows)


def solve_anchors(plan: Plan) -> list[str]:
    steps = unique((pair.anchors, pair) for pair in plan.pairs)
    for step, pair in steps:
        _each(plan, pair, [step], _solve)
    return [step.key for step, _ in steps]


def _solve(plan: Plan, pair: ModelDatasetPlan, steps: list[Step]) -> None:
    build_anchors(plan.home, pair.model, *steps, plan.experiment.device)


def fit_methods(plan: Plan) -> list[str]:
    """Fit and predict whatever is missing, one task for each method on each data set."""
    todo: dict[tuple[int, str], list[Step]] = {}
    for index, pair in enumerate(plan.pairs):
        for fit in pair.fits:
            if not plan.published(fit.predictions):
                todo.setdefault((index, fit.name), []).append(fit.predictions)
    if todo:
        with progress("methods fitted", sum(map(len, todo.values()))) as advance:
            for (index, _), steps in todo.items():
                _each(plan, plan.pairs[index], steps, _fit)
                advance(len(steps), 0)
    return [fit.predictions.key for pair in plan.pairs for fit in pair.fits]


def _fit(plan: Plan, pair: ModelDatasetPlan, steps: list[Step]) -> None:
    """All steps are of one method."""
    name = steps[0].spec.name
    if isinstance(steps[0].spec, AdapterFitSpec):
        tune_method(plan.home, pair.model, pair.dataset, name, steps, plan.experiment.device)
    else:
        fit_method(plan.home, pair.model, pair.dataset, name, steps)


def score_methods(plan: Plan) -> list[str]:
    """Score each fit, then compare the methods with each other. Returns the keys of the metrics."""
    for pair in plan.pairs:
        _each(plan, pair, [fit.metrics for fit in pair.fits], _score)
        _each(plan, pair, pair.compared, _compare)
    return [fit.metrics.key for pair in plan.pairs for fit in pair.fits]


def _score(plan: Plan, pair: ModelDatasetPlan, steps: list[Step]) -> None:
    predictions = {fit.metrics.key: fit.predictions for fit in pair.fits}
    score(plan.home, pair.dataset.name, [(predictions[step.key], step) for step in steps])


def _compare(plan: Plan, pair: ModelDatasetPlan, steps: list[Step]) -> None:
    compare(plan.home, pair.dataset.name, steps)
