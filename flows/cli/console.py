"""What the command line says: the plan, the leaderboard, where to look next."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from flows.planning.cost import estimate
from flows.planning.plan import Plan
from flows.reporting.effects import gains, ranks, sort_shots
from vocabsem.errors import BadInput
from warehouse.catalog import catalog, reads
from warehouse.home import Home

ORDER = ("examples", "anchors", "states", "predictions", "metrics", "comparisons", "runs")


def show_plan(plan: Plan, as_json: bool) -> None:
    """What is there, what would be computed, and what that costs."""
    counts = _counts(plan)
    cost = estimate(plan)
    if as_json:
        print(json.dumps({"steps": counts, "to_fetch": plan.unfetched, "cost": cost}, indent=1))  # noqa: T201
        return
    out = console()
    rows = [[kind, *map(str, count.values())] for kind, count in counts.items()]
    out.print(grid(f"plan of {plan.experiment.name}", ("step", "partitions", "published", "to compute"), (), rows))
    for source in plan.unfetched:
        out.print(f"to fetch first, its steps are not known before: {source}")
    out.print(
        f"to extract: {cost['prompts']:,} prompts, {cost['tokens']:,} tokens, {cost['bytes'] / 1e6:,.0f} MB,"
        f" about {cost['seconds']:,.0f} s ({cost['basis']})"
    )
    if cost["unread"]:
        out.print(f"not counted, because never read: {', '.join(cost['unread'])}")


def print_start(plan: Plan) -> None:
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    if plan.done:
        out.print(f"{plan.experiment.name}: everything is published, nothing to do")
        return
    missing = {kind: count["missing"] for kind, count in _counts(plan).items() if count["missing"]}
    what = ", ".join(f"{n} {kind}" for kind, n in missing.items())
    out.print(f"{plan.experiment.name}: to compute: {what or 'known after fetching'}; data rests in {plan.home.root}")


def _counts(plan: Plan) -> dict[str, dict[str, int]]:
    every = Counter(step.kind for step in plan.steps())
    missing = Counter(step.kind for step in plan.missing())
    return {
        kind: {"all": every[kind], "published": every[kind] - missing[kind], "missing": missing[kind]} for kind in ORDER
    }


def leaderboard_table(home: Home, experiment: str | None, dataset: str | None) -> pa.Table:
    """Raises BadInput when nothing matches."""
    table = reads.leaderboard(home, experiment, dataset)
    if not len(table):
        pairs = ", ".join(map("/".join, reads.leaderboard_datasets(home)))
        asked = {"experiment": experiment, "data set": dataset}
        sought = ", ".join(f"{what} {name!r}" for what, name in asked.items() if name)
        raise BadInput(f"no scores{' of ' * bool(sought)}{sought}: there are {pairs or 'none yet'}")
    return table


def print_summary(plan: Plan) -> None:
    """The leaderboard of this very plan, a table a data set, and where to look next."""
    experiment = plan.experiment.name
    rows = reads.run_scores(plan.home, plan.run.key)
    out = console()
    lines = gains(plan.home, plan.run.key)
    for model, dataset in sorted({(row["model"], row["dataset"]) for row in rows}):
        out.print(_board(f"{dataset}, {model}", [r for r in rows if (r["model"], r["dataset"]) == (model, dataset)]))
        for line in lines.get((dataset, model), []):
            out.print(f"  {line}", soft_wrap=True)
        out.print()
    for model, by_method in ranks(plan.home, plan.run.key).items():
        out.print(_ranks(f"average rank by macro-F1, {model}", by_method))
        out.print()
    out.print("Macro-F1 on test data, mean over seeds, by labeled examples per class; interval of the best, 95 %.")
    out.print(
        "+random and +head put other vectors in the anchors' place: what is lost by it is what the vocabulary helps."
    )
    registered = _registered(plan)
    for found in registered:
        out.print(f"{found['model']}: {found.get('why', 'registered')}")
    out.print("Look next:")
    out.print("  vocabsem up                              the runs in Prefect and MLflow, on loopback")
    out.print(f"  vocabsem leaderboard --experiment {experiment}   every figure; --format csv or json")
    out.print('  vocabsem sql "from label_efficiency"     every table: vocabsem schema')
    out.print('  vocabsem neighbors " good"              nearest tokens by anchor')
    for found in registered:
        out.print(f'  vocabsem predict --model {found["model"]} "a gorgeous, witty movie"')


def console(width: int = 120) -> Console:
    """Wide enough, by default for a row of the leaderboard, where no terminal says otherwise."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=width)


def grid(title: str, heads: Sequence[str], figures: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table for a terminal: columns of text, then columns of figures."""
    columns = [Column(head, no_wrap=True) for head in heads]
    columns += [Column(figure, justify="right", no_wrap=True) for figure in figures]
    table = Table(*columns, title=title or None, title_justify="left", box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    return table


def _board(title: str, rows: list[dict[str, Any]]) -> Table:
    shots, lines = sort_shots({row["shots"] for row in rows}), []
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = {row["shots"]: row for row in rows if row["method"] == method}
        best = max(mine.values(), key=lambda row: row["macro_f1"])
        f1 = [f"{mine[n]['macro_f1']:.3f}" if n in mine else "" for n in shots]
        interval = f"{best['macro_f1_low']:.3f} to {best['macro_f1_high']:.3f}"
        others = f"{best['nll']:.3f}", f"{best['ece']:.3f}", f"{best['fit_seconds']:.2f}"
        lines.append([method, *f1, interval, *others])
    return grid(title, ["method"], [*shots, "interval", "NLL", "ECE", "fit s"], lines)


def _ranks(title: str, by_method: dict[str, dict[str, float]]) -> Table:
    shots = sort_shots({n for of_shots in by_method.values() for n in of_shots})
    lines = [[method, *(f"{found[n]:.1f}" if n in found else "" for n in shots)] for method, found in by_method.items()]
    return grid(title, ["method"], shots, lines)


def worth_page(home: Home, experiment: str | None, dataset: str | None) -> str:
    """What the vocabulary is worth in the latest runs: a line for each data set, model and number of shots."""
    found = gains(home, experiment=experiment, dataset=dataset)
    return "\n".join(f"{dataset}, {model}, {line}" for (dataset, model), lines in found.items() for line in lines)


def _registered(plan: Plan) -> list[dict[str, Any]]:
    """The best of each data set, champion or not."""
    manifest = plan.run.partition(plan.lake).manifest()
    return [*manifest.facts["champions"], *manifest.facts.get("challengers", ())] if manifest else []


def nearest_tokens_table(home: Home, model: str, token: str, k: int) -> pa.Table:
    """Raises BadInput for a token the model does not have or a model without anchors."""
    table = reads.nearest_tokens(home, model, token, k)
    if not len(table):
        models = reads.models_with_anchors(home)
        if model not in models:
            raise BadInput(
                f"no anchors of model {model!r} are published, only of {models}: run `vocabsem anchors CARD`"
            )
        like = reads.similar_tokens(home, model, token)
        hint = f"it has {', '.join(map(repr, like))}" if like else "it is split into several"
        raise BadInput(f"{token!r} is no single token of {model!r}: {hint}; most words carry a leading space")
    return table


def predictions_table(home: Home, model: str, texts: list[str]) -> pa.Table:
    from tasks.tracking.packaging import load_classifier

    frame = load_classifier(home, model).predict(texts)
    return pa.Table.from_pandas(frame, preserve_index=False)


def schema_page(home: Home) -> str:
    lines = []
    for table in catalog.tables(home):
        lines += ["", f"{table.name} ({table.kind}): {table.comment}"]
        lines += [f"    {column.name:<22} {column.type:<16} {column.comment}" for column in table.columns]
    return "\n".join(lines).strip()


def findings(home: Home, as_json: bool) -> bool:
    """Print what the doctor found; whether all is well."""
    from dataclasses import asdict

    from flows.cli.doctor import examine

    found = examine(home)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))  # noqa: T201
    else:
        table = Table("", "what", "value", "mend", box=None)
        for finding in found:
            table.add_row("ok" if finding.ok else "!!", finding.name, finding.value, finding.mend)
        console().print(table)
    return all(finding.ok for finding in found)
