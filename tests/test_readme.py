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


def gains(dataset):
    """(Method, against, shots) → gain with its interval, as the page of `make run` has them."""
    lines = (ROOT / "docs" / "quickstart.md").read_text().split("### Gain over random anchors\n")[1].splitlines()
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines if f"| {dataset} |" in line
    ]
    return {
        (*row[1:3], shots): gain for row in rows for shots, gain in zip(("0", "1", "4", "all"), row[3:], strict=True)
    }


def test_gains_are_those_of_the_page():
    of = gains("bbc_news")
    lines = README.split("gains in macro-F1 [95 %]")[1].partition("```")[0].splitlines()[3:]
    shown = {line.split()[0]: re.findall(r"[+-][\d.]+ \[[^]]*\]", line) for line in lines if line}
    assert list(shown) == ["0", "1", "4", "all"]
    for shots, values in shown.items():
        against = [("vocabulary_calibrator", "none"), ("vocabulary_calibrator", "random")]
        against.append(("vocabulary_calibrator+head", "random"))
        expected = [of.get((method, f"vocabulary_calibrator+{what}", shots)) for method, what in against]
        assert values == [value for value in expected if value], shots


def test_the_gain_over_no_vocabulary_is_in_the_range_that_is_stated():
    for shots in ("1", "4"):
        all_gains = [
            float(gains(dataset)["vocabulary_calibrator", "vocabulary_calibrator+none", shots].split()[0])
            for dataset in ("bbc_news", "reuters_r8", "rotten_tomatoes")
        ]
        low, high = (f"{value:.2f}"[1:] for value in (min(all_gains), max(all_gains)))
        assert f"{low} to {high} with" in README, (shots, all_gains)


def test_encoders_and_counted_words_are_those_of_their_page():
    page, text = (ROOT / "docs" / "encoders.md").read_text(), " ".join(README.split())
    sets = table(page, "## Which representation for my labels?")
    small, large = sets["MiniLM, vocabulary_calibrator"], sets["SmolLM2-135M, vocabulary_calibrator"]
    assert f"MiniLM with the same method has {small[2]} at 4 labels per class where SmolLM2 has {large[2]}" in text
    assert f"in {float(small[6]):.0f} ms per text instead of {large[6]}" in text
    lines = page[page.index("| `vocabulary_calibrator`, 48 tokens |") :].splitlines()
    part, whole, *_, counted = ([cell.strip(" *") for cell in line.split("|")[2:-1]] for line in lines[:5])
    assert (
        f"has {counted[4]} at 64 labels per class, MiniLM with the calibrator on 48 tokens of each {part[4]};" in text
    )
    assert f"it has {whole[4]} there, and {whole[2]} at 4 where TF-IDF has {counted[2]}." in text


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
