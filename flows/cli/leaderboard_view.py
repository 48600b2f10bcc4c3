"""Print the scores of a run, and query those of all runs."""

from typing import Any

import pyarrow as pa
from rich.table import Table

from flows.cli.console import console, grid
from flows.planning.plan import Plan
from flows.reporting.data_notes import plan_notes
from flows.reporting.effects import gains, ranks, sort_shots
from tasks.tracking.outcome import registrations
from vocabsem.errors import BadInput
from warehouse.catalog import reads
from warehouse.home import Home


def print_summary(plan: Plan) -> None:
    """Print the leaderboards of a run, its registered models and the commands to continue with."""
    rows = reads.run_scores(plan.home, plan.run.key)
    out, lines = console(), gains(plan.home, plan.run.key)
    for model, dataset in sorted({(row["model"], row["dataset"]) for row in rows}):
        scores = [row for row in rows if (row["model"], row["dataset"]) == (model, dataset)]
        out.print(_leaderboard(f"{dataset}, {model}", scores))
        for line in lines.get((dataset, model), []):
            out.print(f"  {line}", soft_wrap=True)
        out.print()
    for model, by_method in ranks(plan.home, plan.run.key).items():
        out.print(_ranks(f"average rank by macro-F1, {model}", by_method))
        out.print()
    out.print("Macro-F1 on test data over the classes that occur, mean over seeds, by labeled examples per class.")
    out.print("* best of its row (ties: lower NLL); the 95 % interval, NLL, ECE and fit s are of this score.")
    out.print("+random and +head replace the anchors by other vectors: the difference is the gain from the anchors.")
    for what, note in plan_notes(plan):
        out.print(f"{what}: {note}", soft_wrap=True, markup=False)
    registered = registrations(plan.home, plan.run.key)
    for model in registered:
        out.print(f"{model.model}: {model.why}")
    commands = {
        "vocabsem up": "start the Prefect and MLflow servers",
        f"vocabsem leaderboard --experiment {plan.experiment.name}": "all metrics; --format csv or json",
        'vocabsem sql "from label_efficiency"': "any query; tables: vocabsem schema",
        'vocabsem neighbors " good"': "nearest tokens by anchor",
    }
    commands |= {
        f'vocabsem predict --model {model.model} "a gorgeous, witty movie"': "classify texts" for model in registered
    }
    out.print("Next:")
    width = max(map(len, commands))
    for command, description in commands.items():
        out.print(f"  {command:<{width}}  {description}", soft_wrap=True)


def leaderboard_table(home: Home, experiment: str | None, dataset: str | None) -> pa.Table:
    """Return the leaderboard of an experiment, a data set, or all. Raises BadInput when nothing matches."""
    table = reads.leaderboard(home, experiment, dataset)
    if not len(table):
        pairs = ", ".join(map("/".join, reads.leaderboard_datasets(home)))
        filters = {"experiment": experiment, "data set": dataset}
        wanted = ", ".join(f"{kind} {name!r}" for kind, name in filters.items() if name)
        raise BadInput(f"no scores{' of ' * bool(wanted)}{wanted}: there are {pairs or 'none yet'}")
    return table


def gains_text(home: Home, experiment: str | None, dataset: str | None) -> str:
    """Return the gains in the latest runs, a line for each data set, model and number of shots."""
    lines = gains(home, experiment=experiment, dataset=dataset)
    return "\n".join(f"{name}, {model}, {line}" for (name, model), group in lines.items() for line in group)


def _leaderboard(title: str, rows: list[dict[str, Any]]) -> Table:
    shots, lines = sort_shots({row["shots"] for row in rows}), []
    for method in dict.fromkeys(row["method"] for row in rows):
        scores = {row["shots"]: row for row in rows if row["method"] == method}
        best = next(iter(scores.values()))  # rows come best first
        f1 = [
            f"{'*' * (scores[n] is best and len(scores) > 1)}{scores[n]['macro_f1']:.3f}" if n in scores else ""
            for n in shots
        ]
        interval = f"{best['macro_f1_low']:.3f} to {best['macro_f1_high']:.3f}"
        others = f"{best['nll']:.3f}", f"{best['ece']:.3f}", f"{best['fit_seconds']:.2f}"
        lines.append([method, *f1, interval, *others])
    return grid(title, ["method"], [*shots, "interval", "NLL", "ECE", "fit s"], lines)


def _ranks(title: str, by_method: dict[str, dict[str, float]]) -> Table:
    shots = sort_shots({n for by_shots in by_method.values() for n in by_shots})
    rows = [
        [method, *(f"{by_shots[n]:.1f}" if n in by_shots else "" for n in shots)]
        for method, by_shots in by_method.items()
    ]
    return grid(title, ["method"], shots, rows)
