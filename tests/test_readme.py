"""Figures of the README against the pages that commands wrote."""

import re

import pytest

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
NAMES = {
    "the same, head rows alone": "vocabulary_calibrator+head",
    "the same, random vectors": "vocabulary_calibrator+random",
}


def table(text, heading):
    """First column → the other cells, of the first Markdown table below a heading."""
    lines = text[text.index(f"{heading}\n") :].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        first, *cells = (cell.strip().replace("*", "") for cell in line.strip("|").split("|"))
        rows[first.replace("`", "")] = cells
    return rows


def numbers(cells):
    return [float(cell.split()[0]) if cell else None for cell in cells]


def test_rivals_are_those_of_the_page():
    page = table((ROOT / "docs" / "label-efficiency.md").read_text(), "### On average")
    rows = table(README, "## Compared with baselines")
    assert len(rows) > 8
    for name, cells in rows.items():
        assert numbers(cells) == numbers(page[NAMES.get(name) or re.split(r"[ ,]", name)[0]]), name


def board(text):
    """Method → macro-F1 by shots, of the board that the README shows."""
    head, *lines = text[text.index("bbc_news, smollm2-135m-instruct") :].partition("```")[0].splitlines()[1:]
    ends = {shots: head.index(f" {shots} ") + len(shots) + 1 for shots in ("0", "1", "4", "all")}
    rows = {}
    for line in lines[1:]:
        if not line.strip():
            return rows
        cells = {shots: line[end - 6 : end].strip().lstrip("*") for shots, end in ends.items()}
        rows[line.split()[0]] = {shots: float(cell) for shots, cell in cells.items() if cell}
    return rows


def test_the_board_is_that_of_the_page():
    page = (ROOT / "docs" / "quickstart.md").read_text()
    shown, rows = board(README), table(page, "### bbc_news")
    assert set(shown) == set(rows)
    for method, scores in shown.items():
        by_shots = dict(zip(("0", "1", "4", "all"), numbers(rows[method]), strict=True))
        assert scores == {shots: score for shots, score in by_shots.items() if score is not None}


@pytest.mark.parametrize(
    ("page", "dataset", "method", "column", "score"),
    [
        ("tuned", "rotten_tomatoes", "ia3+steps-40+stops-2", 2, 0.833),
        ("tuned", "rotten_tomatoes", "vocabulary_calibrator", 2, 0.706),
        ("label-efficiency", "mr", "vocabulary_calibrator", 0, 0.752),
        ("label-efficiency", "mr", "vocabulary_calibrator", 1, 0.727),
    ],
)
def test_where_it_loses_are_figures_of_pages(page, dataset, method, column, score):
    assert f" {score:.3f}".replace(" 0.", " .") in README
    rows = table((ROOT / "docs" / f"{page}.md").read_text(), f"### {dataset}")
    assert numbers(rows[method])[column] == score
