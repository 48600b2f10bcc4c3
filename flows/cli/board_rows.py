"""The scores that a user selects, as rows of leaderboards and as a table for other tools."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa

from flows.cli.board import HEADS, METRICS, Selection, best_of, has_metric, sort_methods, with_headline
from flows.reporting.effects import sort_shots
from vocabsem.errors import BadInput
from vocabsem.evaluation.kind_metrics import kinds_with
from vocabsem.label_kinds import headline
from warehouse.catalog import reads
from warehouse.home import Home

Row = dict[str, Any]
KEYS = ("experiment", "dataset", "model", "method", "shots", "shots_order")


def leaderboard_rows(
    home: Home,
    experiment: str | None = None,
    dataset: str | None = None,
    methods: Sequence[str] = (),
    shots: Sequence[str] = (),
) -> list[Row]:
    """Return rows of the leaderboard, all or those that match. Raises BadInput where nothing does.

    methods: names, in which * stands for any characters.
    """
    rows: list[Row] = reads.leaderboard(home, experiment, dataset).to_pylist()
    if not rows:
        pairs = ", ".join(map("/".join, reads.leaderboard_datasets(home)))
        filters = {"experiment": experiment, "data set": dataset}
        wanted = ", ".join(f"{kind} {name!r}" for kind, name in filters.items() if name)
        raise BadInput(f"no scores{' of ' * bool(wanted)}{wanted}: there are {pairs or 'none yet'}")
    for name, given in (("method", methods), ("shots", shots)):
        known = list(dict.fromkeys(row[name] for row in sorted(rows, key=itemgetter("shots_order"))))
        for pattern in given:
            if not any(fnmatchcase(one, pattern) for one in known):
                raise BadInput(f"--{name} {pattern!r} is not on this leaderboard: {_nearest(pattern, known)}")
        rows = [row for row in rows if not given or any(fnmatchcase(row[name], pattern) for pattern in given)]
    return rows


def check_selection(selection: Selection, rows: Sequence[Row]) -> None:
    """Raise BadInput for a metric, a column or an order that a leaderboard does not have."""
    orders = [*HEADS, "method", *sort_shots({row["shots"] for row in rows})]
    for option, given, known in (
        ("--metric", [selection.metric], [*METRICS]),
        ("--columns", selection.columns or (), [*HEADS]),
        ("--sort", [selection.sort] if selection.sort else [], orders),
    ):
        for name in given:
            if name not in known:
                raise BadInput(f"{option} {name!r} is unknown: {_nearest(name, known)}")
    if rows and not has_metric(rows, with_headline(selection, rows).metric):
        kinds = " or ".join(kinds_with(selection.metric))
        raise BadInput(
            f"--metric {selection.metric!r}: no data set on this leaderboard has it: it needs"
            f" label_kind: {kinds} in the data set's card, and a run since"
        )


def long_table(rows: Sequence[Row], selection: Selection) -> pa.Table:
    """Return the rows of the leaderboards as one table, one per method and number of shots, in the same order."""
    ordered: list[Row] = []
    for _, group in groupby(sorted(rows, key=itemgetter(*KEYS[:3])), itemgetter(*KEYS[:3])):
        scores = list(group)
        if selection == Selection():
            ordered += scores
            continue
        chosen = with_headline(selection, scores)
        by_method = {name: {row["shots"]: row for row in scores if row["method"] == name} for name in _names(scores)}
        for method in sort_methods(by_method, best_of(by_method, chosen.metric), chosen)[: selection.top]:
            ordered += by_method[method].values()
    table = pa.Table.from_pylist(ordered)
    if selection.columns is None:
        return table
    headlines = dict.fromkeys(map(headline, rows))
    in_table = {"interval": [f"{name}_{end}" for name in headlines for end in ("low", "high")], "shots": []}
    named = (column for name in (selection.metric, *selection.columns) for column in in_table.get(name, [name]))
    return table.select(list(dict.fromkeys([*KEYS, *named])))


def _names(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row["method"] for row in rows))


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return (f"did you mean {near[0]!r}? " if near else "") + f"known are {', '.join(known)}"
