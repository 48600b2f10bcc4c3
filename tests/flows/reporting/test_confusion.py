"""Confusion matrices of few and of many classes: every count there, every name whole, nothing cut off in a browser."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from flows.reporting.confusion import MAX_CONFUSIONS, confusion_matrix
from flows.reporting.templating import render_template
from tests.flows.browser import PHONE_HEAD, show, tab

LONG = "a class whose name is as long as a short sentence, with <tags> & signs"


def random_matrix(classes, names=None, seed=0):
    counts = np.random.default_rng(seed).integers(0, 40, (classes, classes))
    names = names or [f"class {n}" for n in range(classes)]
    return counts, names, confusion_matrix("a description", counts, names)


def cells(drawing):
    """{(true, predicted): count} of the tooltips."""
    titles = [title.text for title in ET.fromstring(f"<figure>{drawing}</figure>").iter("title")]
    parts = [re.fullmatch(r"(.*), predicted (.*): ([\d,]+) \((\d+)%\)", title, re.DOTALL).groups() for title in titles]
    return {(true, predicted): int(count.replace(",", "")) for true, predicted, count, _ in parts}


@pytest.mark.parametrize("classes", [2, 6, 7, 12, 13, 77])
def test_every_count_is_in_its_cell(classes):
    counts, names, drawing = random_matrix(classes)
    shown = cells(drawing)
    assert all(shown.get((names[i], names[j]), 0) == counts[i, j] for i, j in np.ndindex(counts.shape))
    texts = [text.text for text in ET.fromstring(f"<figure>{drawing}</figure>").iter("text")]
    assert ("class 1" in texts) == (classes <= 6), "names beside a small matrix, numbers beside others"
    assert drawing.count("<li>") == (0 if classes <= 6 else classes)


def test_a_class_without_test_rows_has_counts_and_no_shares():
    drawing = confusion_matrix("", np.array([[3, 1], [0, 0]]), ["food", "money"])
    assert re.findall(r"--share:([0-9.]+)", drawing) == ["0.750", "0.250", "0.000", "0.000"]


def test_of_many_classes_the_most_frequent_confusions_are_listed():
    counts, names, drawing = random_matrix(20)
    table = ET.fromstring(f"<figure>{drawing}</figure>").find("table")
    rows = [["".join(cell.itertext()) for cell in row] for row in table.find("tbody")]
    wrong = sorted((counts[i, j] for i, j in np.ndindex(counts.shape) if i != j), reverse=True)
    assert [int(row[2]) for row in rows] == wrong[:MAX_CONFUSIONS]
    assert all(counts[names.index(true), names.index(predicted)] == int(count) for true, predicted, count in rows)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize(("classes", "name"), [(2, "x" * 16), (6, "x" * 16), (5, LONG), (12, LONG), (77, LONG)])
def test_nothing_is_cut_off_in_a_browser(tmp_path, classes, name, width):
    counts = np.full((classes, classes), 12345)
    drawing = confusion_matrix("", counts, [f"{name}{n}" for n in range(classes)] if name is LONG else [name] * classes)
    page = tmp_path / "page.html"
    page.write_text(f"{PHONE_HEAD}<style>{render_template('page.css')}</style><main><figure>{drawing}</figure></main>")
    with tab() as browser:
        show(browser, page, width=width)
        assert browser.js("document.documentElement.scrollWidth") <= width
        outside = """(outer => [...document.querySelectorAll('.confusion text, .confusion rect, .classes li, td, th')]
          .filter(each => { const box = each.getBoundingClientRect();
            return box.left < outer.left - 1 || box.right > outer.right + 1 || box.top < outer.top - 1; })
          .map(each => each.textContent))(document.querySelector('figure').getBoundingClientRect())"""
        assert browser.js(outside) == []
        overlaps = """(boxes => boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => a.right > b.left + 1
            && b.right > a.left + 1 && a.bottom > b.top + 3 && b.bottom > a.top + 3)).length)
            ([...document.querySelectorAll('.confusion text')].slice(0, 200).map(t => t.getBoundingClientRect()))"""
        assert browser.js(overlaps) == 0
