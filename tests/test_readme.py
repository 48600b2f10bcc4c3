"""Figures of the README against the pages and the table that commands wrote."""

import csv
import re

import pytest

from tests.conftest import ROOT
from vocabsem.methods.registry import method_info

README = (ROOT / "README.md").read_text()
NAMES = {
    "the same, head rows alone": "vocabulary_calibrator+head",
    "the same, no vocabulary": "vocabulary_calibrator+none",
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


def test_no_baseline_is_ahead_in_the_mean():
    page, ours = (ROOT / "docs" / "rivals.md").read_text(), "vocabulary_calibrator"
    means = {name: numbers(cells) for name, cells in table(page, "### On average").items()}
    baselines = {name: cells for name, cells in means.items() if not name.startswith(ours)}
    ahead = {
        (shots, name)
        for name, cells in baselines.items()
        for shots, cell, our in zip(("0", "1", "4", "16", "64", "256", "all"), cells, means[ours], strict=True)
        if cell is not None and cell > our
    }
    assert not ahead
    text = " ".join(README.split())
    assert f"Of {len(baselines)} baselines on states of eleven sets" in text
    behind = numbers(table(page, "### Compared with the reference")["gaussian_em"])[0]
    assert (
        f"at 0 `gaussian_em`, clusters that start from the model's own logits, is {f'{-behind:.3f}'[1:]} behind" in text
    )
    assert float(table(page, "### Wins, ties and losses")["gaussian_em"][0].split("(")[1][:-1]) > 0.05
    learn = sum(method_info(name).learns_from_unlabeled for name in baselines)
    assert f"as {['six', 'seven', 'eight', 'nine'][learn - 6]} of the {len(baselines)} do" in text


def test_no_baseline_of_the_table_is_ahead_on_whole_splits():
    means = table((ROOT / "docs" / "full-size.md").read_text(), "### On average")
    ours = numbers(means["vocabulary_calibrator"])
    shown = table(README, "## Compared with baselines")
    compared = [name for name in shown if name.split(" ")[0] in means and not name.startswith("vocabulary_calibrator")]
    assert len(compared) == 7
    for name in compared:
        scores = zip(numbers(means[name.split(" ")[0]]), ours, strict=True)
        assert all(score is None or score < our for score, our in scores), name


def test_who_leads_from_shots_alone_is_as_the_page_has_it():
    page, ours = (ROOT / "docs" / "rivals.md").read_text(), "vocabulary_calibrator"
    means = {name: numbers(cells) for name, cells in table(page, "### On average").items()}
    alone = {name: cells for name, cells in means.items() if not name.startswith(ours)}
    alone = {name: cells for name, cells in alone.items() if not method_info(name).learns_from_unlabeled}
    best = [max((cells[at] or 0.0, name) for name, cells in alone.items()) for at in range(7)]
    lead = {
        at: round(our - score, 3) for at, (our, (score, _)) in enumerate(zip(means[f"{ours}+shots"], best, strict=True))
    }
    assert [at for at, gain in lead.items() if gain < 0] == [2]
    assert best[2][1] == "lp_plus_plus"
    text = " ".join(README.split())
    assert f"first but at 4, where `lp_plus_plus` is ahead by {f'{-lead[2]:.3f}'[1:]}, also by chance" in text
    ranks = table(page, "### Average ranks")
    critical = float(re.search(r"([\d.]+) at 4,", page)[1])
    assert abs(float(ranks["lp_plus_plus"][2]) - float(ranks[f"{ours}+shots"][2])) < critical
    with_texts, without, other = (f"{means[name][2]:.3f}"[1:] for name in (ours, f"{ours}+shots", "lp_plus_plus"))
    assert f"it has {without} at 4 labels per class in place of {with_texts}, where LP++ has {other}" in text


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


def test_the_gain_over_no_vocabulary_is_that_of_the_page():
    page = table((ROOT / "docs" / "label-efficiency.md").read_text(), "### Compared with the reference")
    one, four, sixteen = (f"{-gain:.3f}"[1:] for gain in numbers(page["vocabulary_calibrator+none"])[1:4])
    stated = f"{one} in the mean of eight sets with one label per class, {four} with 4, {sixteen} with 16."
    assert stated in " ".join(README.split())
    newsgroups = table((ROOT / "docs" / "rivals.md").read_text(), "### newsgroups20")
    ours, none = (numbers(newsgroups[f"vocabulary_calibrator{variant}"])[6] for variant in ("", "+none"))
    assert f"adds nothing** ({f'{ours - none:.3f}'[1:]} on the twenty newsgroups with 40 rows a class," in README


def test_encoders_and_counted_words_are_those_of_their_page():
    page, text = (ROOT / "docs" / "encoders.md").read_text(), " ".join(README.split())
    sets = table(page, "## Which representation for my labels?")
    small, large = sets["MiniLM, vocabulary_calibrator"], sets["SmolLM2-135M, vocabulary_calibrator"]
    assert f"MiniLM with the same method has {small[2]} at 4 labels per class where SmolLM2 has {large[2]}" in text
    assert f"in {float(small[6]):.0f} ms per text instead of {large[6]}" in text
    costs = f"{small[6]} ms and {small[7]} bytes with MiniLM, {large[6]} ms and {large[7]} bytes with SmolLM2;"
    assert f"A text takes {costs}" in text
    lines = page[page.index("| `vocabulary_calibrator`, 48 tokens |") :].splitlines()
    part, whole, *_, counted = ([cell.strip(" *") for cell in line.split("|")[2:-1]] for line in lines[:5])
    assert (
        f"has {counted[4]} at 64 labels per class, MiniLM with the calibrator on 48 tokens of each {part[4]};" in text
    )
    assert f"it has {whole[4]} there, and {whole[2]} at 4 where TF-IDF has {counted[2]}." in text
    near_chance, read_whole = re.search(r"near chance up to 64 \((\S+)\)", page), re.search(r"reads (\d+ %)", page)
    assert f"TF-IDF is near chance at 64 ({near_chance[1]})" in text
    assert f"which reads {read_whole[1]} of them whole" in text


def leaderboard():
    return [*csv.DictReader((ROOT / "docs" / "quickstart" / "leaderboard.csv").read_text().splitlines())]


def board(text):
    """Method → {column: cell} of the board that the README shows; a column ends where its head does."""
    head, _, *lines = text[text.index("bbc_news, smollm2-135m-instruct") :].partition("\n\n")[0].splitlines()[1:]
    ends = {match[0].strip(): match.end() for match in re.finditer(r"\S+( [%s]( |$))?", head)}
    starts = dict(zip(ends, [0, *ends.values()], strict=False))
    rows = {line.split()[0]: line.replace(name := line.split()[0], " " * len(name), 1) for line in lines}
    return {
        method: {name: line[starts[name] : end].strip() for name, end in ends.items()} for method, line in rows.items()
    }


def test_every_number_of_the_board_is_that_of_its_table():
    """`vocabsem leaderboard quickstart --columns control,unlabeled,interval,nll,ece,fit_seconds --format csv`"""
    rows = leaderboard()
    scores = {(row["method"], row["shots"]): row for row in rows if row["dataset"] == "bbc_news"}
    shown = board(README)
    assert set(shown) == {method for method, _ in scores}
    for method, cells in shown.items():
        for shots in ("0", "1", "4", "all"):
            row = scores.get((method, shots))
            assert cells[shots].lstrip("*") == (f"{float(row['macro_f1']):.3f}" if row else ""), (method, shots)
        best = scores[method, cells["at"]]
        assert float(best["macro_f1"]) == max(float(row["macro_f1"]) for (m, _), row in scores.items() if m == method)
        assert cells["95 %"] == f"{float(best['macro_f1_low']):.3f}–{float(best['macro_f1_high']):.3f}"
        assert [cells["NLL"], cells["ECE"]] == [f"{float(best[name]):.3f}" for name in ("nll", "ece")]
        assert cells["fit s"] == f"{float(best['fit_seconds']):.2f}"
        assert (cells["C"] == "C", cells["U"] == "U") == (best["control"] == "true", best["unlabeled"] == "true")
    for shots in ("0", "1", "4", "all"):
        marked = {cells[shots][1:] for cells in shown.values() if cells[shots].startswith("*")}
        assert marked == {max(cells[shots].lstrip("*") for cells in shown.values())}


def test_the_table_and_the_page_are_of_one_run():
    page = (ROOT / "docs" / "quickstart.md").read_text()
    rows = leaderboard()
    for dataset in ("bbc_news", "reuters_r8", "rotten_tomatoes"):
        for method, cells in table(page, f"### {dataset}").items():
            of = {row["shots"]: row for row in rows if (row["dataset"], row["method"]) == (dataset, method)}
            columns = ("macro_f1", "macro_f1_low", "macro_f1_high")
            expected = [
                "{:.3f} [{:.3f}, {:.3f}]".format(*(float(of[n][c]) for c in columns)) if n in of else ""
                for n in ("0", "1", "4", "all")
            ]
            assert cells == expected, (dataset, method)
    for method, cells in table(page, "### Probabilities").items():
        for shots, cell in zip(("0", "1", "4", "all"), cells, strict=True):
            of = [row for row in rows if (row["method"], row["shots"]) == (method, shots)]
            means = [f"{sum(float(row[name]) for row in of) / len(of):.3f}" if of else "" for name in ("nll", "ece")]
            assert cell.split(" / ")[:2] == (means if of else [""]), (method, shots)


def test_the_times_are_those_of_the_page():
    page = (ROOT / "docs" / "performance.md").read_text()
    text, rows = " ".join(README.split()), list(table(page, "## From a clean clone").values())
    install, run, second = rows[0]
    assert f"`make install` took {install} and then `make run` {run}," in text
    assert f"a second run computes nothing and takes {second}." in text
    assert f"both took {rows[1][0].removesuffix(' with the run')}, with the states of the last layer alone" in text
    assert f"`make run` took {rows[2][1]};" in text


def test_no_number_of_the_text_is_unchecked():
    """Decimals outside the board and the tables: each is named in a test above or in `test_where_it_loses`."""
    text = README.split("```\nbbc_news")[0] + README.split("```\n\nThe other two")[1]
    prose = " ".join(line for line in text.splitlines() if not line.startswith("|"))
    assert set(re.findall(r"(?<![\w.])\.\d+", prose)) == {
        *(".133", ".080", ".016", ".032"),  # gains over no vocabulary
        *(".006", ".008", ".639", ".695", ".647"),  # of rivals
        *(".789", ".747", ".963", ".918", ".961", ".946", ".807"),  # encoders and counted words
        *(
            ".833",
            ".706",
            ".372",
            ".505",
            ".696",
            ".829",
            ".326",
            ".284",
            ".780",
            ".769",
            ".550",
            ".797",
            ".820",
            ".420",
            ".832",
            ".740",
        ),  # where it loses
    }


@pytest.mark.parametrize(
    ("page", "dataset", "method", "column", "score"),
    [
        ("tuned", "rotten_tomatoes", "ia3+steps-40+stops-2", 2, 0.833),
        ("tuned", "rotten_tomatoes", "vocabulary_calibrator", 2, 0.706),
        ("label-efficiency", "plot_or_review", "vocabulary_calibrator", 0, 0.372),
        ("label-efficiency", "plot_or_review", "vocabulary_calibrator", 1, 0.505),
        ("label-efficiency", "plot_or_review", "vocabulary_calibrator+none", 1, 0.696),
        ("label-efficiency", "plot_or_review", "ridge", 1, 0.829),
        ("label-efficiency", "sst5", "vocabulary_calibrator", 0, 0.326),
        ("label-efficiency", "sst5", "vocabulary_calibrator", 1, 0.284),
        ("label-efficiency", "mr", "vocabulary_calibrator", 0, 0.780),
        ("label-efficiency", "mr", "vocabulary_calibrator", 2, 0.769),
        ("label-efficiency", "mr", "vocabulary_calibrator", 6, 0.797),
        ("label-efficiency", "mr", "linear_probe", 6, 0.820),
        ("label-efficiency", "reuters_r8", "vocabulary_calibrator", 1, 0.420),
        ("rivals", "imdb", "tfidf", 6, 0.832),
        ("rivals", "imdb", "vocabulary_calibrator", 6, 0.740),
    ],
)
def test_where_it_loses_are_figures_of_pages(page, dataset, method, column, score):
    assert f" {score:.3f}".replace(" 0.", " .") in README
    rows = table((ROOT / "docs" / f"{page}.md").read_text(), f"### {dataset}")
    assert numbers(rows[method])[column] == score
