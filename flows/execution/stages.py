"""What the flows do, stage by stage: find the steps of a plan that are missing, and give each to its task.

A failed check stops what would read the refused data. The rest of a stage, and of those after it, is done; each ends
with the refusals (`raise_refusals`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

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
Work = Callable[[Plan, ModelDatasetPlan, list[Step]], None]  # which of the comparison's steps to do
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


def unique(steps: Iterator[tuple[Step, ModelDatasetPlan]]) -> list[tuple[Step, ModelDatasetPlan]]:
    return list({step.key: (step, comparison) for step, comparison in steps}.values())


def raise_refusals(plan: Plan, *kinds: str) -> None:
    """Raises CheckFailed if the data of a step (of these kinds) was refused."""
    failures = []
    for step in plan.refusals(*kinds):
        partition = step.partition(plan.lake)
        if refusal := partition.manifest(REJECTED):
            failures.append(partition.refused(refusal.checks))
    if failures:
        raise CheckFailed("; ".join(map(str, failures)), failures[0].key)


def _each(plan: Plan, comparison: ModelDatasetPlan, steps: Sequence[Step], work: Work) -> None:
    """`work` on the steps that are missing and can be done; when a check refuses one, on those that are left."""
    refused: set[str] = set()
    while todo := [s for s in steps if s.key not in refused and not plan.published(s) and plan.readable(s)]:
        try:
            work(plan, comparison, todo)
            return
        except CheckFailed as refusal:
            refused.add(refusal.key)


def build_datasets(plan: Plan) -> None:
    """Fetch the models whose states or anchors are missing, check their label words, and read the examples."""
    for model in {c.model.name: c.model for c in plan.comparisons}.values():
        mine = [c for c in plan.comparisons if c.model.name == model.name]
        trained = (fit for c in mine for fit in c.fits if method_info(fit.spec.method).family == "adapters")
        needed = [
            *(step for c in mine for step in (c.anchors, *c.states.values())),
            *(fit.predictions for fit in trained),
        ]
        if not all(map(plan.published, needed)):
            fetch_model(plan.home, model, [c.dataset for c in mine])
    for step, comparison in unique((c.examples, c) for c in plan.comparisons):
        _each(plan, comparison, [step], _read_examples)
    for comparison in plan.comparisons:
        if plan.published(comparison.examples):
            _check_shots(plan, comparison)
            _check_demonstrations(plan, comparison)


def _read_examples(plan: Plan, comparison: ModelDatasetPlan, steps: list[Step]) -> None:
    build_examples(plan.home, comparison.dataset, fetch_dataset(plan.home, comparison.dataset), *steps)


def _check_demonstrations(plan: Plan, comparison: ModelDatasetPlan) -> None:
    """Fail before hours of extraction, not after, when demonstrations leave no room for a question."""
    shown = {str(s.payload["demonstrations"]): s for s in comparison.states.values() if "demonstrations" in s.payload}
    for step in shown.values():
        if not plan.published(step):
            demonstrated(plan.home, comparison.model, comparison.dataset, step)


def _check_shots(plan: Plan, comparison: ModelDatasetPlan) -> None:
    """The same when a class has fewer examples than a method shall see."""
    rows = split_rows(plan.home, comparison.dataset.name, comparison.examples.key, "train")
    counts = {name: rows["label_name"].to_pylist().count(name) for name in comparison.dataset.label_names}
    least = min(counts, key=counts.__getitem__)
    asked = [spec.demonstrations for spec in plan.experiment.methods]
    if plan.experiment.on_insufficient == "raise":
        asked += [fit.shots for fit in comparison.fits]
    wanted = max((n for n in asked if isinstance(n, int)), default=0)
    if counts[least] < wanted:
        raise DataError(
            f"{wanted} shots of dataset {comparison.dataset.name!r}, whose class {least!r} has {counts[least]} training"
            f" examples: lower 'shots' or raise 'limits.train' in experiment {plan.experiment.name!r}"
        )


def extract_states(plan: Plan) -> list[str]:
    """States of every split; finished shards are kept, and one is written while the next is computed."""
    steps = unique((s, c) for c in plan.comparisons for s in c.states.values())
    for step, comparison in steps:
        _each(plan, comparison, [step], _extract_split)
    return [step.key for step, _ in steps]


def _extract_split(plan: Plan, comparison: ModelDatasetPlan, steps: list[Step]) -> None:
    (step,) = steps
    experiment, split = plan.experiment, step.payload["split"]
    rows = len(prompt_rows(plan.home, comparison.dataset.name, step.inputs["examples"], split))
    spans = shards(rows, experiment.shard_rows)
    todo = [span for span in spans if finished(plan.home, step, *span) is None]
    kept = rows - sum(stop - start for start, stop in todo)
    with progress(f"states of {comparison.dataset.name}/{split}, {comparison.model.name}", rows) as advance:
        if kept:
            advance(kept)
        waiting = []
        for start, stop in todo:
            if len(waiting) == IN_FLIGHT:
                waiting.pop(0).result()
            waiting.append(
                extract_shard.submit(
                    plan.home, comparison.model, comparison.dataset, step, start, stop, experiment.device, advance
                )
            )
        for future in waiting:
            future.result()
    publish_states(plan.home, step, rows, experiment.shard_rows)


def solve_anchors(plan: Plan) -> list[str]:
    steps = unique((c.anchors, c) for c in plan.comparisons)
    for step, comparison in steps:
        _each(plan, comparison, [step], _solve)
    return [step.key for step, _ in steps]


def _solve(plan: Plan, comparison: ModelDatasetPlan, steps: list[Step]) -> None:
    build_anchors(plan.home, comparison.model, *steps, plan.experiment.device)


def fit_methods(plan: Plan) -> list[str]:
    """Fit and predict whatever is missing, one task for each method on each data set."""
    todo: dict[tuple[int, str], list[Step]] = {}
    for index, comparison in enumerate(plan.comparisons):
        for fit in comparison.fits:
            if not plan.published(fit.predictions):
                todo.setdefault((index, fit.spec.name), []).append(fit.predictions)
    if todo:
        with progress("methods fitted", sum(map(len, todo.values()))) as advance:
            for (index, _), steps in todo.items():
                _each(plan, plan.comparisons[index], steps, _fit)
                advance(len(steps), 0)
    return [fit.predictions.key for comparison in plan.comparisons for fit in comparison.fits]


def _fit(plan: Plan, comparison: ModelDatasetPlan, steps: list[Step]) -> None:
    """All steps are of one method."""
    name = steps[0].coordinates["method"]
    if method_info(steps[0].payload["method"]["method"]).family == "adapters":
        tune_method(plan.home, comparison.model, comparison.dataset, name, steps, plan.experiment.device)
    else:
        fit_method(plan.home, comparison.model, comparison.dataset, name, steps)


def score_methods(plan: Plan) -> list[str]:
    """Score each fit, then compare the methods with each other. Returns the keys of the metrics."""
    for comparison in plan.comparisons:
        _each(plan, comparison, [fit.metrics for fit in comparison.fits], _score)
        _each(plan, comparison, comparison.compared, _compare)
    return [fit.metrics.key for comparison in plan.comparisons for fit in comparison.fits]


def _score(plan: Plan, comparison: ModelDatasetPlan, steps: list[Step]) -> None:
    predictions = {fit.metrics.key: fit.predictions for fit in comparison.fits}
    score(plan.home, comparison.dataset.name, [(predictions[step.key], step) for step in steps])


def _compare(plan: Plan, comparison: ModelDatasetPlan, steps: list[Step]) -> None:
    compare(plan.home, comparison.dataset.name, steps)
