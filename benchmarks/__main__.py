"""Run `python -m benchmarks`: every subject, or those named by `--only`, as one table."""

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import Row, Setting
from flows.cli.doctor import processor_name
from flows.services.environment import set_environment

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- python -m benchmarks --markdown: begin -->\n", "<!-- python -m benchmarks --markdown: end -->\n"
HEADINGS = ("what", "vocabsem", "compared with", "its value", "ratio", "wanted")
SUBJECTS = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def measured(subjects: list[str], setting: Setting) -> Iterator[tuple[str, Row]]:
    for subject in subjects:
        sys.stderr.write(f"{subject} …\n")
        for row in importlib.import_module(f"benchmarks.{subject}").measure(setting):
            sys.stderr.write(f"  {', '.join(cells(row))}\n")
            yield subject, row


def cells(row: Row) -> tuple[str, ...]:
    figures = [f"{_short(figure)} {row.unit}" for figure in (row.ours, row.theirs)]
    return row.name, figures[0], row.baseline, figures[1], _short(row.ratio), row.wanted


def table(rows: list[tuple[str, Row]]) -> Table:
    result = Table(*HEADINGS, box=None, pad_edge=False)
    for _, row in rows:
        result.add_row(*cells(row), style="" if row.met else "yellow")
    return result


def write_page(rows: list[tuple[str, Row]]) -> None:
    """Put the rows between the marks of docs/performance.md."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} has lost its marks {BEGIN.strip()} and {END.strip()}: put them back")
    lines = [f"{machine()}:", "", "| | " + " | ".join(HEADINGS) + " |", "|---" * (len(HEADINGS) + 1) + "|"]
    lines += ["| " + " | ".join((subject, *cells(row))) + " |" for subject, row in rows]
    PAGE.write_text(f"{before}{begin}\n" + "\n".join(lines) + f"\n\n{end}{after}", encoding="utf-8")


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"


def machine() -> str:
    """Describe the machine."""
    import torch

    from vocabsem.runtime.devices import processor_flags

    known = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 bf16", "avx2": "AVX2"}
    fast = [name for flag, name in known.items() if flag in processor_flags()]
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{torch.get_num_threads()} threads of {processor_name()} ({', '.join(fast)}), {card}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=SUBJECTS, metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--dataset", default=Setting.dataset, help="whose test texts are run")
    parser.add_argument("--data-dir", type=Path, help="where its files are, if it is not one of the bundled sets")
    parser.add_argument("--card", default=Setting.card, help="the experiment of `overhead`, whole")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--markdown", action="store_true", help="write the rows into docs/performance.md too")
    given = parser.parse_args()
    setting = Setting(set_environment(), given.dataset, given.data_dir, given.card)
    rows = list(measured(given.only or SUBJECTS, setting))
    Console(highlight=False, width=160).print(table(rows))
    if given.json:
        results = [{"subject": subject} | asdict(row) | {"ratio": row.ratio, "met": row.met} for subject, row in rows]
        given.json.write_text(json.dumps({"machine": machine(), "rows": results}, indent=1, ensure_ascii=False) + "\n")
    if given.markdown:
        write_page(rows)


if __name__ == "__main__":
    main()
