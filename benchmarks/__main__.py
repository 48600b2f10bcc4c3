"""`python -m benchmarks`: every subject, or those named by `--only`, as one table."""

import argparse
import importlib
import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import Row, Setting
from warehouse.home import Home

SUBJECTS = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def measured(subjects: list[str], setting: Setting) -> Iterator[tuple[str, Row]]:
    for subject in subjects:
        sys.stderr.write(f"{subject} …\n")
        for row in importlib.import_module(f"benchmarks.{subject}").measure(setting):
            yield subject, row


def table(rows: list[tuple[str, Row]]) -> Table:
    shown = Table("what", "vocabsem", "beside", "its figure", "ratio", "wanted", box=None, pad_edge=False)
    for _, row in rows:
        style = "" if row.met else "yellow"
        figures = [f"{_short(figure)} {row.unit}" for figure in (row.ours, row.theirs)]
        shown.add_row(row.name, figures[0], row.rival, figures[1], _short(row.ratio), row.wanted, style=style)
    return shown


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"


def machine() -> dict[str, object]:
    import torch

    from flows.doctor import processor_name

    return {"processor": processor_name(), "threads": torch.get_num_threads(), "python": platform.python_version()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=SUBJECTS, metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--dataset", default=Setting.dataset, help="whose test texts are run")
    parser.add_argument("--data-dir", type=Path, help="where its files are, if it is not one of the bundled sets")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    given = parser.parse_args()
    setting = Setting(Home.find(), given.dataset, given.data_dir)
    rows = list(measured(given.only or SUBJECTS, setting))
    Console(highlight=False, width=160).print(table(rows))
    if given.json:
        found = [{"subject": subject} | asdict(row) | {"ratio": row.ratio, "met": row.met} for subject, row in rows]
        given.json.write_text(json.dumps({"machine": machine(), "rows": found}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
