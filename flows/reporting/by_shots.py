"""Lay out the scores of methods as tables: a row a method, a column a number of shots."""

from collections.abc import Callable, Sequence

from flows.reporting.effects import sort_shots
from flows.reporting.results import Results, Row
from flows.reporting.table import ReportTable
from vocabsem.label_kinds import headline

Tables = list[ReportTable]


def with_interval(row: Row, metric: str | None = None) -> str:
    """Return a metric with its interval, as in `0.850 [0.800, 0.900]`; by default the one that it is judged by."""
    metric = metric or headline(row)
    return f"{row[metric]:.3f} [{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]"


def by_shots(
    results: Results,
    title: str,
    note: str,
    rows: Sequence[Row],
    merit: Callable[[list[Row]], float] | None,
    text: Callable[[list[Row]], str],
    complete: bool = True,
) -> Tables:
    """Tabulate by method and number of shots; `text` makes a cell of its rows, the highest `merit` is bold.

    `complete`: leave a cell empty where the method lacks a data set, as its mean would not be comparable.
    """
    cells: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        cells.setdefault((row["method"], row["shots"]), []).append(row)
    most = max(map(len, cells.values()), default=0)
    cells = {key: group for key, group in cells.items() if not complete or len(group) == most}
    shots = sort_shots({n for _, n in cells})
    best = {n: max(merit(group) for (_, m), group in cells.items() if m == n) for n in shots} if merit else {}

    def cell(method: str, n: str) -> str:
        group = cells.get((method, n))
        if not group:
            return ""
        return f"**{text(group)}**" if merit and merit(group) == best[n] else text(group)

    methods = [spec.name for spec in results.specs if any((spec.name, n) in cells for n in shots)]
    return section(
        title, note, ["", *shots], [[f"`{method}`", *(cell(method, n) for n in shots)] for method in methods]
    )


def section(title: str, note: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Tables:
    return [ReportTable(title, note, heads, rows)] if rows else []
