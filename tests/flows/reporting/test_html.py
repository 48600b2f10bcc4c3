"""The report as a page: figures against the warehouse's, and the page itself in a browser."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from mlflow import MlflowClient

from flows.reporting.report import report
from tasks.tracking.runs import page_file
from tasks.views.report_data import errors, layer_profile, moved
from tests.flows.browser import check, show, tab
from tests.flows.command import command
from tests.flows.reporting.test_confusion import cells
from tests.flows.reporting.test_report import home  # noqa: F401  # two data sets, no partitions but scores
from tests.tasks.worlds import SPLITS, World, compute
from tests.warehouse.lakes import put_run
from vocabsem.evaluation.metrics import evaluate
from vocabsem.vocabulary.geometry import project_pca
from warehouse.catalog import catalog, reads
from warehouse.lake.partition import Lake

pytestmark = pytest.mark.medium

HOSTILE = '<script>alert("x")</script>&amp;<img src=x onerror=alert(1)>'


class Tables(HTMLParser):
    """{caption: rows of cells}."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.rows, self.caption, self.inside = {}, [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.rows, self.caption = [], ""
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "small":
            self.handle_data(" ")
        if tag in ("td", "th", "caption"):
            self.inside = tag

    def handle_endtag(self, tag):
        if tag in ("td", "th", "caption"):
            self.inside = ""
        if tag == "table":
            self.tables.setdefault(self.caption, []).append(self.rows)

    def handle_data(self, data):
        if self.inside == "caption":
            self.caption += data
        elif self.inside:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def page(ran, tmp_path_factory):
    world, _ = ran
    path = tmp_path_factory.mktemp("page") / "deeper" / "page.html"
    done = command(world.home, "report", "tiny", "--output", path)
    assert (done.returncode, done.stdout) == (0, f"{path}\n"), done.stderr
    return path


@pytest.fixture(scope="module")
def tables(page):
    return Tables(page.read_text()).tables


def test_the_page_is_offline_quiet_readable_and_fits_a_phone(page):
    with tab() as browser:
        check(browser, page)
        show(browser, page, width=1200)
        heights = "[...document.querySelectorAll('svg.chart')].map(s => s.getBoundingClientRect().height)"
        sampled = [height for height in browser.js(heights) if height]
        assert len(sampled) == 5, "curves, reliability, confusion, states before and after"
        assert min(sampled) > 100
        pdf = browser.call("Page.printToPDF", printBackground=True)["data"]
        assert len(pdf) > 10_000


def test_the_leaderboard_has_the_warehouses_figures_best_first(ran, tables):
    world, key = ran
    (rows,) = tables["Leaderboard of made"]
    scores = reads.run_scores(world.home, key)
    assert [row[0] for row in rows[1:]] != []
    f1 = []
    for method, result, _, shots, *others in rows[1:]:
        (row,) = (row for row in scores if (row["method"], row["shots"]) == (method, shots))
        assert result == f"{row['macro_f1']:.3f} [{row['macro_f1_low']:.3f}, {row['macro_f1_high']:.3f}]"
        assert others[:4] == [f"{row[name]:.3f}" for name in ("accuracy", "nll", "ece", "brier")]
        f1.append(row["macro_f1"])
    assert f1 == sorted(f1, reverse=True)
    assert {row[0] for row in rows[1:]} == {row["method"] for row in scores}


def test_html_and_markdown_have_the_same_tables(ran, tables):
    world, _ = ran
    markdown = report(world.home, "tiny")
    for title in re.findall(r"^### (.+)$", markdown, re.MULTILINE):
        body = markdown.partition(f"### {title}\n")[2].partition("\n#")[0]
        lines = [re.sub("[`*]", "", line)[1:-1].split("|") for line in body.splitlines() if line[:1] == "|"]
        ((heads, *rows),) = tables[title]
        assert heads == [cell.strip() for cell in lines[0]]
        cells = [[cell.strip() for cell in line] for line in lines[2:]]
        assert [[re.sub(" +", " ", cell) for cell in row] for row in rows] == cells


def test_costs_are_those_of_the_partitions(ran, tables):
    world, _ = ran
    (rows,) = tables["Costs by step"]
    costs = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    for kind, cost in costs.items():
        manifests = list(Lake(world.home).manifests(kind))
        assert cost["partitions"] == str(len(manifests))
        assert cost["rows"] == f"{sum(manifest.rows for manifest in manifests):,}"
    states = [manifest.facts for manifest in Lake(world.home).manifests("states")]
    assert costs["states"]["tokens"] == f"{sum(facts['tokens'] for facts in states):,}"
    assert costs["states"]["seconds"] == f"{sum(facts['seconds'] for facts in states):,.1f}"
    assert costs["anchors"]["tokens"] == ""


def test_the_confusion_and_the_reliability_are_those_of_the_best_on_validation_data(ran, tables, page):
    world, _ = ran
    best = catalog.query(
        world.home,
        "select method, shots, max(value) filter (metric = 'macro_f1') as f1, max(value) filter (metric = 'nll') as nll"
        " from metrics where split = 'validation' and seed is null"
        " and method not in ('linear_probe', 'vocabulary_calibrator+random') group by all order by f1 desc, nll",
    ).to_pylist()[0]
    text = page.read_text()
    assert f"<b>Confusion of {best['method']}, {best['shots']} shots</b>" in text
    assert f"<b>Reliability of {best['method']}, {best['shots']} shots" in text
    predicted = catalog.query(
        world.home,
        "from predictions where method = $method and shots = $shots and split = 'test'",
        {"method": best["method"], "shots": best["shots"]},
    ).to_pylist()
    counts = np.zeros((3, 3), int)
    for row in predicted:
        counts[row["label"], row["predicted"]] += 1
    drawing = re.search(r'<svg class="chart confusion".*?</svg>', text, re.DOTALL).group()
    names = ["neg", "pos", "tale"]
    assert cells(drawing) == {(names[i], names[j]): counts[i, j] for i, j in np.ndindex(3, 3)}


def test_the_index_leads_to_every_section_and_stands_beside_a_wide_page(page):
    with tab() as browser:
        show(browser, page, width=1280)
        missing = "[...document.querySelectorAll('nav a')].filter(a => !document.querySelector(a.hash)).length"
        assert browser.js(missing) == 0
        sections = "document.querySelectorAll('section h2').length"
        assert browser.js("document.querySelectorAll('nav a').length") == browser.js(sections)
        beside = """document.querySelector('nav').getBoundingClientRect().right
          <= document.querySelector('section').getBoundingClientRect().left"""
        assert browser.js(beside)
        browser.js("window.scrollTo(0, 3000)")
        assert 0 <= browser.js("document.querySelector('nav').getBoundingClientRect().top") < 100, "it stays"
        assert browser.js("document.documentElement.scrollWidth") <= 1280


def test_the_glossary_explains_the_heads_of_the_leaderboard(page):
    terms = set(re.findall(r"<dt>(.*?)</dt>", page.read_text().partition('id="glossary"')[2]))
    assert terms >= {"macro-F1", "shots", "accuracy", "NLL", "ECE", "Brier", "control", "gain over random anchors"}


def test_provenance_names_the_run_its_keys_and_versions(ran, page):
    world, key = ran
    text = page.read_text()
    assert key in text
    for kind in ("examples", "anchors", "states"):
        for manifest in Lake(world.home).manifests(kind):
            assert manifest.key in text
    (run,) = Lake(world.home).manifests("runs")
    assert all(f"{name} {version}" in text for name, version in run.versions.items())


def test_the_page_is_an_artifact_of_the_run_in_mlflow(ran, tmp_path):
    world, _ = ran
    (run,) = Lake(world.home).manifests("runs")
    client = MlflowClient(world.home.tracking_uri)
    logged = Path(client.download_artifacts(run.facts["mlflow_run_id"], "report.html", str(tmp_path)))
    assert logged.read_text() == report(world.home, "tiny", html=True)
    assert page_file(world.home, "tiny", run.facts["mlflow_run_id"]).read_text() == logged.read_text()


def test_a_page_can_be_written_when_only_scores_are_left(home, tmp_path):  # noqa: F811
    text = report(home, "paper", tmp_path / "page.html", html=True)
    result = Tables(text).tables
    assert len(result["The paper's Table 3"]) == 1
    assert "Confusion of" not in text
    assert "States before and after" not in text
    with tab() as browser:
        check(browser, tmp_path / "page.html")


def test_the_name_of_the_file_chooses_the_form(ran, tmp_path):
    world, _ = ran
    done = command(world.home, "report", "tiny", "--markdown", "--output", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").read_text().startswith("# tiny\n")


LABELS = [
    {"name": name, "value": value, "word": word}
    for name, value, word in ((HOSTILE, "neg", "bad"), ("pos", "pos", "positive"), ("tale", "tale", "story"))
]


@pytest.fixture(scope="module")
def layered(tmp_path_factory):
    """A world whose cards mean harm, all layers stored, and the page of its run."""
    methods = ["zero_shot", "vocabulary_calibrator", {"method": "linear_probe", "control": True}]
    layers = [0, 1, 2, "last", "last:mean"]
    card = {"layers": layers, "methods": methods, "shots": [0, "all"], "seeds": [0], "champion": False}
    world = World(tmp_path_factory.mktemp("layered"), {"labels": LABELS}, card | {"description": HOSTILE})
    plan = world.plan()
    compute(plan)
    metrics = [fit.metrics.partition(plan.lake).manifest() for c in plan.pairs for fit in c.fits]
    put_run(plan.lake, "tiny", metrics, card=plan.experiment.model_dump(mode="json"))
    catalog.rebuild(world.home)
    path = world.folder / "page.html"
    report(world.home, "tiny", path, html=True)
    return plan, path


def test_hostile_text_is_shown_and_does_nothing(layered):
    _, path = layered
    text = path.read_text()
    assert text.count("&lt;script&gt;") >= 3, "in the description, the confusion and the card"
    assert "<script" not in text
    assert "<img" not in text
    with tab() as browser:
        check(browser, path)
        assert HOSTILE in browser.js("document.body.innerText")


def fit_row(plan, method, shots):
    fit = next(f for c in plan.pairs for f in c.fits if (f.name, f.shots) == (method, shots))
    return fit.predictions.coordinates | {"key": fit.predictions.key}


def test_the_layer_profile_is_what_the_probe_scores_on_one_layer(layered):
    plan, path = layered
    profile = layer_profile(plan.home, fit_row(plan, "linear_probe", "all"), 3)
    assert set(profile) == {"centroid", "centroid, mean", "linear_probe", "linear_probe, mean"}
    for name, of_layer in profile.items():
        assert tuple(of_layer) == ((3,) if name.endswith("mean") else (0, 1, 2, 3))
    card = {"layers": ["last"], "methods": ["linear_probe"], "shots": ["all"], "seeds": [0]}
    one = World(path.parent, {"labels": LABELS}, card).plan()
    compute(one)
    (fit,) = one.pairs[0].fits
    rows = fit.metrics.partition(one.lake).table().to_pylist()
    (expected,) = (r["value"] for r in rows if (r["split"], r["metric"], r["seed"]) == ("test", "accuracy", None))
    assert profile["linear_probe"][3] == pytest.approx(expected)
    assert f"linear_probe, layer 3: {expected:.3f}" in path.read_text()


def test_states_are_shown_as_they_are_and_as_the_calibrator_moves_them(layered):
    plan, _ = layered
    labels, before, after = moved(plan.home, fit_row(plan, "vocabulary_calibrator", "all"))
    assert labels.shape == (SPLITS["test"],)
    assert before.shape == after.shape == (SPLITS["test"], 2)
    states = plan.pairs[0].states["test"].partition(plan.lake).table()
    last = np.array(states["layer_3"].to_pylist())
    np.testing.assert_allclose(before, project_pca(last), atol=1e-5)
    assert not np.allclose(before, after)
    assert moved(plan.home, fit_row(plan, "linear_probe", "all")) is None


def test_errors_are_those_of_the_stored_predictions(layered):
    plan, _ = layered
    fit = fit_row(plan, "zero_shot", 0)
    bins, counts = errors(plan.home, fit, 3)
    table = Lake(plan.home).partition("predictions", fit.pop("key"), **fit).table().to_pylist()
    rows = [row for row in table if row["split"] == "test"]
    assert bins.count.sum() == counts.sum() == len(rows)
    result = evaluate(np.array([row["label"] for row in rows]), np.array([row["probabilities"] for row in rows]))
    assert np.trace(counts) / counts.sum() == pytest.approx(result["accuracy"])
    hits = np.nansum(bins.count * bins.accuracy) / len(rows)
    assert hits == pytest.approx(result["accuracy"])
    assert np.nanmax(bins.count) <= -(-len(rows) // 15) + 1, "bins of equal mass"


def test_the_card_on_the_page_is_the_card_that_was_run(layered):
    plan, path = layered
    (shown,) = re.findall(r"experiment card</summary>\s*<pre><code>(.*?)</code>", path.read_text(), re.DOTALL)
    assert yaml.safe_load(html.unescape(shown)) == plan.experiment.model_dump(mode="json")
